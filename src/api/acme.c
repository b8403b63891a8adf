/* acme.c - what an authority fetches to see that a name leads here (RFC 8555 section 8.3). */
#include "acme/acme.h"
#include "api_i.h"
#include "core/core.h"

void api_acme(struct http_call *c)
{
    struct acme *x = api_of(c)->core->acme;
    struct slice answer;
    int e = x ? acme_answer(x, c->a, c->param[0], &answer)
              : err_set(ERR_NOT_FOUND, "no authority is asked here (acme in tram.conf)");
    if (e) http_fail(c, 404, "%s", err_text(e));
    else http_answer(c, 200, "application/octet-stream", answer);
}
