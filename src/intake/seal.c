/* seal.c - letters from the world that an alias sends on into the world carry an ARC Set of ours, so
 * that the next server can believe what this one saw (RFC 8617). Off unless tram.conf says so. */
#include "intake_i.h"
#include "outgoing/signing.h"

static const struct letter_rcpt *forwarded(const struct intake_letter *l)
{
    for (size_t i = 0; i < l->nrcpt; i++)
        if (!l->rcpt[i].route.local) return &l->rcpt[i];
    return NULL;
}

void intake_seal_begin(struct intake_letter *l)
{
    l->sealing = l->in->arc_seal && l->in->signing && l->auth && forwarded(l);
    if (l->sealing) mailauth_will_seal(l->auth);
}

/* RFC 8617 section 4.1.3 knows RSA only. */
static int rsa_key(const struct signing_keys *k)
{
    for (size_t i = 0; i < k->n; i++)
        if (sign_key_kind(k->key[i]) == KEY_RSA) return (int)i;
    return -1;
}

/* The set for a header section, by the domain of the address that was written to. */
static int make_set(struct intake_letter *l, struct slice fields, struct buf *set)
{
    struct slice address = forwarded(l)->address, domain;
    struct mail_head head;
    struct signing_keys keys;
    int e = dns_to_ascii(&l->a, sl_from(address, sl_rchr(address, '@') + 1), &domain);
    if (!e) e = mail_head_parse(&l->a, fields, &head);
    if (!e) e = signing_keys(l->in->signing, &l->a, domain, &keys);
    if (e) return e;
    int i = rsa_key(&keys);
    if (i < 0) e = err_set(ERR_NOT_FOUND, "%.*s has no active RSA key", SLF(domain));
    else e = mailauth_seal(l->auth, &l->verdict, &head, keys.domain, keys.selector[i], keys.key[i], set);
    if (!e) l->sealed_for = ar_dup(&l->a, keys.domain);
    signing_keys_end(&keys);
    return e;
}

void intake_seal(struct intake_letter *l, struct buf *prefix, size_t at)
{
    if (!l->sealing) return;
    struct slice fields = ar_dup(&l->a, sl_from(buf_slice(prefix), at));
    struct buf set = BUF_INIT;
    int e = make_set(l, fields, &set);
    if (e) {
        log_info("intake", "letter %s goes on without an ARC seal: %s", l->id.s, err_text(e));
    } else {
        prefix->n = at;
        buf_put(prefix, buf_slice(&set));
        buf_put(prefix, fields);
    }
    buf_free(&set);
}
