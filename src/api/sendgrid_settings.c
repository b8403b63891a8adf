/* sendgrid_settings.c - /v3/tracking_settings and /v3/mail_settings: what SendGrid keeps of an account for
 * all its messages. Here a message says all of that itself, so each is off, and can be set to that alone. */
#include "sendgrid.h"

struct sendgrid_setting {
    const char *name, *title, *description;
    const char *off; /* as it is, JSON */
    const char *why; /* why it cannot be on */
};
#define IN_CALLS "is off: a message asks for it itself, in its tracking_settings"
static const struct sendgrid_setting tracking[] = {
    {"click", "Click Tracking", "Clicks on links in letters are told.",
     "{\"enabled\": false, \"enable_text\": false}", IN_CALLS},
    {"google_analytics", "Google Analytics", "Links get parameters for Google Analytics.",
     "{\"enabled\": false, \"utm_campaign\": \"\", \"utm_content\": \"\", \"utm_medium\": \"\", "
     "\"utm_source\": \"\", "
     "\"utm_term\": \"\"}",
     "is not offered"},
    {"open", "Open Tracking", "An image tells when a letter is opened.", "{\"enabled\": false}", IN_CALLS},
    {"subscription", "Subscription Tracking", "A link to leave is added to the text.",
     "{\"enabled\": false, \"html_content\": \"\", \"landing\": \"\", \"plain_content\": \"\", \"replace\": "
     "\"\", "
     "\"url\": \"\"}",
     "is off: bulk mail has List-Unsubscribe by itself, and a message asks for text of its own in its "
     "tracking_settings"},
};
static const struct sendgrid_setting mail[] = {
    {"address_whitelist", "Address Whitelist", "Addresses that get mail whatever the suppression list says.",
     "{\"enabled\": false, \"list\": []}",
     "is not offered: mail_settings of a message has bypass_list_management"},
    {"bounce_purge", "Bounce Purge", "Bounces leave the suppression list after some days.",
     "{\"enabled\": false, \"hard_bounces\": null, \"soft_bounces\": null}",
     "is not offered: an entry ends by its reason"},
    {"footer", "Footer", "A text under each letter.",
     "{\"enabled\": false, \"html_content\": \"\", \"plain_content\": \"\"}",
     "is off: a message has it in its mail_settings"},
    {"forward_bounce", "Forward Bounce", "Bounces are sent to an address.",
     "{\"enabled\": false, \"email\": null}",
     "is not offered: webhooks and /v3/suppression/bounces tell of bounces"},
    {"forward_spam", "Forward Spam", "Complaints are sent to an address.",
     "{\"enabled\": false, \"email\": \"\"}",
     "is not offered: webhooks and /v3/suppression/spam_reports tell of complaints"},
    {"template", "Legacy Email Template", "A frame around each letter.",
     "{\"enabled\": false, \"html_content\": \"\"}", "is not offered: templates are those of /v3/templates"},
};

static void list(struct http_call *c, const struct sendgrid_setting *v, size_t n)
{
    json_t *all = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(all, json_pack("{s:s,s:s,s:s,s:b}", "name", v[i].name, "title", v[i].title,
                                             "description", v[i].description, "enabled", 0));
    api_json(c, 200, json_pack("{s:o}", "result", all));
}

static const struct sendgrid_setting *named(struct http_call *c, const struct sendgrid_setting *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (sl_eq(c->param[0], sl_cstr(v[i].name))) return &v[i];
    http_fail(c, 404, "there is no such setting");
    return NULL;
}

static void show(struct http_call *c, const struct sendgrid_setting *s)
{
    if (s) api_json(c, 200, json_loads(s->off, 0, NULL));
}

static void change(struct http_call *c, const struct sendgrid_setting *s)
{
    bool on = false;
    json_t *body = s ? api_body(c) : NULL;
    if (!body) return;
    int e = api_member_bool(body, "enabled", &on);
    if (e) {
        api_failed(c, e);
    } else if (on) {
        json_t *errors = json_array();
        sendgrid_error_at(errors, "enabled", s->why);
        sendgrid_refuse(c, 400, errors);
    } else {
        show(c, s);
    }
    json_decref(body);
}

void sendgrid_tracking_list(struct http_call *c) { list(c, tracking, COUNT_OF(tracking)); }
void sendgrid_tracking_get(struct http_call *c) { show(c, named(c, tracking, COUNT_OF(tracking))); }
void sendgrid_tracking_change(struct http_call *c) { change(c, named(c, tracking, COUNT_OF(tracking))); }
void sendgrid_mail_settings_list(struct http_call *c) { list(c, mail, COUNT_OF(mail)); }
void sendgrid_mail_settings_get(struct http_call *c) { show(c, named(c, mail, COUNT_OF(mail))); }
void sendgrid_mail_settings_change(struct http_call *c) { change(c, named(c, mail, COUNT_OF(mail))); }
