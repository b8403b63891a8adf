/* spf_field.c - the Received-SPF field (RFC 7208 section 9.1). Pure. */
#include "mail/fold.h"
#include "spf.h"

static struct slice comment_text(struct arena *a, const struct spf_query *q, const struct spf_result *r,
                                 const char *ip)
{
    struct slice host = q->receiver.n ? q->receiver : SL("unknown");
    struct slice who = r->sender.n ? r->sender : r->identity == SPF_HELO ? q->helo : q->mail_from;
    switch (r->code) {
    case SPF_PASS:
        return ar_printf(a, "%.*s: domain of %.*s designates %s as permitted sender", SLF(host), SLF(who),
                         ip);
    case SPF_FAIL:
        return ar_printf(a, "%.*s: domain of %.*s does not designate %s as permitted sender", SLF(host),
                         SLF(who), ip);
    case SPF_SOFTFAIL:
        return ar_printf(a, "%.*s: domain of %.*s discourages use of %s as sender", SLF(host), SLF(who), ip);
    case SPF_NEUTRAL:
        return ar_printf(a, "%.*s: domain of %.*s says neither yes nor no to %s", SLF(host), SLF(who), ip);
    default: return ar_printf(a, "%.*s: %.*s", SLF(host), SLF(r->problem));
    }
}

/* "key=value;" */
static void pair(struct arena *a, struct fold *f, const char *key, struct slice value)
{
    if (!value.n) return;
    fold_word(f, ar_printf(a, "%s=%.*s;", key, SLF(fold_dot_atom(a, value))));
}

struct slice spf_received_field(struct arena *a, const struct spf_query *q, const struct spf_result *r)
{
    char ip[IP_TEXT_MAX];
    struct buf b = BUF_INIT;
    struct fold f = {.out = &b};
    bool error = r->code == SPF_TEMPERROR || r->code == SPF_PERMERROR;
    ip_format(&q->ip, ip);
    fold_begin(&f, SL("Received-SPF:"));
    fold_word(&f, sl_cstr(spf_result_name(r->code)));
    fold_comment(a, &f, comment_text(a, q, r, ip));
    pair(a, &f, "receiver", q->receiver);
    pair(a, &f, "identity", r->identity == SPF_HELO ? SL("helo") : SL("mailfrom"));
    pair(a, &f, "client-ip", sl_cstr(ip));
    if (r->identity == SPF_MAILFROM)
        fold_word(&f, ar_printf(a, "envelope-from=%.*s;", SLF(fold_quoted(a, q->mail_from))));
    pair(a, &f, "helo", q->helo);
    pair(a, &f, "mechanism", r->mechanism);
    if (error) pair(a, &f, "problem", r->problem);
    buf_str(&b, "\r\n");
    struct slice out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return out;
}
