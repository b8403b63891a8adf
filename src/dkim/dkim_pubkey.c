/* dkim_pubkey.c - public keys from the DNS, each name asked once, all names side by side
 * (RFC 6376 section 3.6.2, 6.1.2). */
#include "dkim_i.h"

void dkim_pubkeys_init(struct dkim_pubkeys *k, struct arena *a, struct dns *dns)
{
    *k = (struct dkim_pubkeys){.a = a, .dns = dns};
}

struct dkim_pubkey *dkim_pubkeys_add(struct dkim_pubkeys *k, struct slice selector, struct slice domain,
                                     size_t max)
{
    struct slice name = dkim_key_name(k->a, selector, domain);
    for (size_t i = 0; i < k->n; i++)
        if (sl_eq(k->key[i]->name, name)) return k->key[i];
    if (k->n >= max || k->n == COUNT_OF(k->key)) return NULL;
    struct dkim_pubkey *key = ar_new(k->a, struct dkim_pubkey);
    key->name = name;
    return k->key[k->n++] = key;
}

/* A name may hold several records, some of them no keys at all (wildcards): what is no
 * key record is passed over; of the others the first few are tried. */
static void read_records(struct arena *a, struct dkim_pubkey *key)
{
    for (size_t i = 0; i < key->answer.n && key->n < DKIM_RECORDS_MAX; i++) {
        struct dkim_record *r = &key->record[key->n];
        if (dkim_record_parse(a, key->answer.rr[i].txt, r)) {
            if (!key->malformed.n) key->malformed = ar_dup(a, sl_cstr(err_text(ERR_SYNTAX)));
            continue;
        }
        if (r->known_kind && r->public.n && verify_key_from(r->kind, r->public, &key->public[key->n]))
            key->why[key->n] = ar_dup(a, sl_cstr(err_text(ERR_SYNTAX)));
        key->n++;
    }
}

struct asking {
    struct dkim_pubkeys *keys;
    struct dkim_pubkey *key;
};

static void ask_one(void *arg)
{
    struct asking *x = arg;
    struct dkim_pubkey *key = x->key;
    key->error = dns_ask(x->keys->dns, x->keys->a, key->name, DNS_TXT, &key->answer);
}

/* A child has no deadline of its own: it asks under its parent's. */
struct child {
    struct asking asking;
    int64_t deadline;
};

static void ask_child(void *arg)
{
    struct child *c = arg;
    deadline_narrow(c->deadline);
    ask_one(&c->asking);
}

static int ask_all(struct dkim_pubkeys *k, struct dkim_pubkey **todo, size_t n)
{
    struct group g;
    struct child child[COUNT_OF(k->key)];
    size_t started = 0;
    group_init(&g);
    for (; started + 1 < n; started++) {
        child[started] = (struct child){{k, todo[started]}, deadline_get()};
        if (group_go(&g, "dkim key", ask_child, &child[started])) break;
    }
    /* The rest here: the last one, and all of them when no fiber is to be had. */
    for (size_t i = started; i < n; i++) ask_one(&(struct asking){k, todo[i]});
    return group_wait(&g);
}

/* A time-out is an answer (temperror); only the caller's own end is passed on. */

int dkim_pubkeys_ask(struct dkim_pubkeys *k)
{
    struct dkim_pubkey *todo[COUNT_OF(k->key)];
    size_t n = 0;
    for (size_t i = 0; i < k->n; i++)
        if (!k->key[i]->asked) todo[n++] = k->key[i];
    for (size_t i = 0; i < n; i++) todo[i]->asked = true;
    int e = 0;
    if (n == 1) ask_one(&(struct asking){k, todo[0]});
    if (n > 1) e = ask_all(k, todo, n);
    for (size_t i = 0; i < n; i++)
        if (todo[i]->error) e = todo[i]->error;
    return e && fiber_canceled() ? ERR_CANCELED : 0;
}

void dkim_pubkeys_read(struct dkim_pubkeys *k)
{
    for (size_t i = 0; i < k->n; i++) {
        struct dkim_pubkey *key = k->key[i];
        if (key->read || !key->asked) continue;
        key->read = true;
        if (!key->error && key->answer.status == DNS_FOUND) read_records(k->a, key);
    }
}

void dkim_pubkeys_free(struct dkim_pubkeys *k)
{
    for (size_t i = 0; i < k->n; i++)
        for (size_t r = 0; r < DKIM_RECORDS_MAX; r++) verify_key_free(&k->key[i]->public[r]);
}
