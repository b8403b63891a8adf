/* api.c - the groups of routes of a node. */
#include <stdlib.h>

#include "api.h"
#include "api_i.h"
#include "base/log.h"
#include "mailjet.h"
#include "sendgrid.h"
#include "ses.h"

static void add(struct api *x, const struct http_group *g)
{
    ASSERT(x->n < API_GROUPS_MAX);
    x->group[x->n] = *g;
    x->group[x->n].ctx = x;
    x->list[x->n] = &x->group[x->n];
    x->n++;
}

void api_open(struct api **out, struct core *core)
{
    struct api *x = *out = xcalloc(1, sizeof *x);
    x->core = core;
    add(x, &api_sendgrid);
    add(x, &api_mailjet);
    add(x, &api_mailjet_rest);
    add(x, &api_mailjet_old);
    add(x, &api_ses);
    add(x, &api_own);
    add(x, &api_unsubscribe);
    add(x, &api_tracking);
    add(x, &api_discovery);
    x->document = api_document(x);
    http_gzip(&x->document_zipped, sl_cstr(x->document));
}

void api_close(struct api **x)
{
    free((*x)->document);
    buf_free(&(*x)->document_zipped);
    free(*x);
    *x = NULL;
}

const struct http_group *const *api_groups(const struct api *x, size_t *n)
{
    *n = x->n;
    return x->list;
}
