/* sendgrid.c - the table of SendGrid's routes. */
#include "sendgrid.h"

static const struct http_route routes[] = {
    HTTP_ROUTE(POST, "/v3/mail/send", MAIL_SEND, sendgrid_mail_send,
               "sends one letter for each personalization (SendGrid)", .body_max = DIALECT_BODY_MAX),
};
const struct http_group api_sendgrid = {.name = "sendgrid",
                                        .prefix = "/v3/",
                                        .route = routes,
                                        .n = COUNT_OF(routes),
                                        .auth = api_auth,
                                        .error = sendgrid_error};
