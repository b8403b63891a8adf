/* seal.c - letters from the world that an alias sends on into the world carry an ARC Set of ours, so
 * that the next server can believe what this one saw (RFC 8617). Off unless tram.conf says so. */
#include "base/text.h"
#include "smtpd_i.h"

static const struct letter_rcpt *forwarded(const struct smtpd_tx *t)
{
    for (size_t i = 0; i < t->nrcpt; i++)
        if (!t->rcpt[i].route.local) return &t->rcpt[i];
    return NULL;
}

void smtpd_seal_begin(struct smtpd_session *s)
{
    struct smtpd_tx *t = &s->tx;
    t->sealing = s->conf->arc_seal && s->conf->signing && t->auth && forwarded(t);
    if (t->sealing) mailauth_will_seal(t->auth);
}

/* RFC 8617 section 4.1.3 knows RSA only. */
static int rsa_key(const struct signing_keys *k)
{
    for (size_t i = 0; i < k->n; i++)
        if (sign_key_kind(k->key[i]) == KEY_RSA) return (int)i;
    return -1;
}

/* The set for a header section, by the domain of the address that was written to. */
static int make_set(struct smtpd_session *s, const struct mailauth_verdict *v, struct slice fields,
                    struct buf *set)
{
    struct smtpd_tx *t = &s->tx;
    struct slice address = forwarded(t)->address, domain;
    struct mail_head head;
    struct signing_keys keys;
    int r = dns_to_ascii(&t->a, sl_from(address, sl_rchr(address, '@') + 1), &domain);
    if (!r) r = mail_head_parse(&t->a, fields, &head);
    if (!r) r = signing_keys(s->conf->signing, &t->a, domain, &keys);
    if (r) return r;
    int i = rsa_key(&keys);
    if (i < 0) r = err_set(ERR_NOT_FOUND, "%.*s has no active RSA key", SLF(domain));
    else r = mailauth_seal(t->auth, v, &head, keys.domain, keys.selector[i], keys.key[i], set);
    if (!r)
        trace_addf(s->conf->store->trace, &t->id, TRACE_SIGNED, SL(""),
                   "sealed with ARC for %.*s, because it is sent on", SLF(domain));
    signing_keys_end(&keys);
    return r;
}

void smtpd_seal(struct smtpd_session *s, const struct mailauth_verdict *v, struct buf *prefix, size_t at)
{
    struct smtpd_tx *t = &s->tx;
    if (!t->sealing) return;
    struct slice fields = ar_dup(&t->a, sl_from(buf_slice(prefix), at));
    struct buf set = BUF_INIT;
    int r = make_set(s, v, fields, &set);
    if (r) {
        log_info(s->who, "letter %s goes on without an ARC seal: %s", t->id.s, err_text(r));
    } else {
        prefix->n = at;
        buf_put(prefix, buf_slice(&set));
        buf_put(prefix, fields);
    }
    buf_free(&set);
}
