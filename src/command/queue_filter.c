/* queue_filter.c - which letters of the queue are meant, as an operator says it. */
#include "queue_filter.h"

#include "base/log.h"
#include "base/text.h"
#include "cmd.h"
#include "dns/dns.h"
#include "mail/addr.h"
#include "shape/reply.h"

/* An option that is there and says nothing is a mistake (an unset variable, say), and would mean all. */
static int is_said(json_t *args, const char *name, struct slice *out)
{
    *out = arg_slice(args, name);
    if (out->n || !json_object_get(args, name)) return 0;
    return err_set(ERR_USAGE, "--%s is empty: leave it out to mean any", name);
}

/* Domains are in A-labels in the queue, and without a last dot. */
static int said_domain(struct arena *a, json_t *args, const char *name, struct slice *out)
{
    int e = is_said(args, name, out);
    if (!e && out->n > 1 && out->p[out->n - 1] == '.') out->n--;
    if (e || !out->n || is_ascii(*out)) return e;
    return dns_to_ascii(a, ar_dup(a, *out), out) ? err_set(ERR_USAGE, "--%s is no domain", name) : 0;
}

/* As the queue writes it; <>: the null sender. */
static int said_address(struct arena *a, json_t *args, const char *name, struct slice *out)
{
    struct slice local, domain;
    int e = is_said(args, name, out);
    if (e || !out->n || sl_eq(*out, SL("<>"))) return e;
    if (mail_addr_split(a, *out, &local, &domain) != 0)
        return err_set(ERR_USAGE, "%.*s is no address: it has the form user@example.org", SLF(*out));
    if (!is_ascii(domain) && dns_to_ascii(a, domain, &domain) != 0)
        return err_set(ERR_USAGE, "%.*s is no address: there can be no such domain", SLF(*out));
    *out = mail_addr_join(a, local, domain);
    return 0;
}

static int said_class(json_t *args, struct slice *out)
{
    enum reply_class class;
    struct buf all = BUF_INIT;
    int e = is_said(args, "class", out);
    if (e || !out->n || reply_class_named(*out, &class)) return e;
    for (int c = 0; c < REPLY_NCLASSES; c++)
        buf_printf(&all, "%s%s", c ? ", " : "", reply_class_word((enum reply_class)c));
    e = err_set(ERR_USAGE, "%.*s is no class of replies: there are %.*s", SLF(*out), SLF(buf_slice(&all)));
    buf_free(&all);
    return e;
}

int queue_filter_of(struct arena *a, json_t *args, struct queue_filter *out)
{
    struct slice older;
    int64_t seconds = 0;
    *out = (struct queue_filter){.uncertain = arg_flag(args, "uncertain"),
                                 .limit = (size_t)arg_number(args, "limit")};
    int e = is_said(args, "older", &older);
    if (!e && older.n && !num_duration(older, &seconds))
        e = err_set(ERR_USAGE, "--older takes a time such as 30m or 2d");
    if (!e && older.n) out->before = rt_wall_seconds() - seconds;
    if (!e) e = said_address(a, args, "address", &out->address);
    if (!e) e = said_address(a, args, "sender", &out->sender);
    if (!e) e = said_domain(a, args, "domain", &out->domain);
    if (!e) e = said_domain(a, args, "host", &out->host);
    if (!e) e = said_class(args, &out->class);
    if (!e) e = is_said(args, "source", &out->source);
    if (!e) e = is_said(args, "campaign", &out->campaign);
    out->null_sender = !e && sl_eq(out->sender, SL("<>"));
    if (out->null_sender) out->sender = SL("");
    return e;
}

bool queue_filter_is_any(json_t *args)
{
    static const char *const by[] = {"address", "sender",   "domain", "host",     "class",
                                     "source",  "campaign", "older",  "uncertain"};
    for (size_t i = 0; i < COUNT_OF(by); i++)
        if (json_is_true(json_object_get(args, by[i])) || *arg_text(args, by[i])) return false;
    return true;
}
