/* tlsrpt_count.c - counting sessions: in memory, each new count a note under the same key. */
#include <stdio.h>
#include <stdlib.h>

#include "base/civil.h"
#include "base/log.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "kv/record.h"
#include "store/store.h"
#include "tlsrpt_i.h"

enum { NAME_BYTES = 255, REASON_BYTES = 200 };

/* ---- generations ---- */

/* With the lock held. */
static uint64_t begin_generation(struct tlsrpt *t)
{
    uint64_t last = 0, gen = (uint64_t)rt_wall(), dropped = t->dropped;
    if (t->gen[0]) num_hex64(sl_cstr(t->gen), &last);
    if (gen <= last) gen = last + 1;
    snprintf(t->gen, sizeof t->gen, "%014llx", (unsigned long long)gen & 0xffffffffffffff);
    map_free(&t->counts);
    map_free(&t->domains);
    map_init(&t->counts, false);
    map_init(&t->domains, false);
    t->day = rt_wall_seconds() / TLSRPT_DAY_S;
    t->dropped = 0;
    return dropped;
}

static void tell_dropped(uint64_t n)
{
    if (n)
        log_warn(
            "tlsrpt",
            "%llu sessions are missing in the TLS reports: more than %d different rows of one domain or %d "
            "in all",
            (unsigned long long)n, TLSRPT_ROWS, TLSRPT_ROWS_ALL);
}

void tlsrpt_rotate(struct tlsrpt *t)
{
    lock_take(&t->lock);
    uint64_t dropped = begin_generation(t);
    lock_release(&t->lock);
    tell_dropped(dropped);
}

/* ---- rows ---- */

static void put_ip(struct buf *b, uint8_t tag, const struct ip *ip)
{
    char text[IP_TEXT_MAX];
    if (ip->family) rec_put(b, tag, sl_cstr(ip_format(ip, text)));
}

/* The policy as reports tell it (section 4.5). */
static void put_policy(struct buf *b, const struct policy_session *s)
{
    char line[64];
    rec_begin(b, TLSRPT_VERSION);
    rec_put(b, 'd', s->domain);
    rec_put_u64(b, 'k', s->kind);
    for (size_t i = 0; s->kind == POLICY_KIND_TLSA && i < s->policy->ntlsa + s->policy->nuseless; i++) {
        const struct tls_tlsa *r = &s->policy->tlsa[i];
        struct buf one = BUF_INIT;
        buf_printf(&one, "%u %u %u ", r->usage, r->selector, r->matching);
        hex_encode(&one, sl_sub(r->data, 0, 128));
        rec_put(b, 's', buf_slice(&one));
        buf_free(&one);
    }
    if (s->kind != POLICY_KIND_STS || !s->sts->known) return;
    const struct mta_sts_policy *p = &s->sts->policy;
    rec_put(b, 's', SL("version: STSv1"));
    rec_put(b, 's', sl(line, (size_t)snprintf(line, sizeof line, "mode: %s", mta_sts_mode_name(p->mode))));
    for (size_t i = 0; i < p->nmx; i++) {
        struct buf one = BUF_INIT;
        buf_printf(&one, "mx: %.*s", SLF(p->mx[i]));
        rec_put(b, 's', buf_slice(&one));
        rec_put(b, 'x', p->mx[i]);
        buf_free(&one);
    }
    rec_put(b, 's', sl(line, (size_t)snprintf(line, sizeof line, "max_age: %u", p->max_age)));
}

/* What makes a row: all but its count. Good sessions are one row. */
static void put_row(struct buf *b, const struct policy_session *s)
{
    rec_begin(b, TLSRPT_VERSION);
    rec_put_u64(b, 'r', s->result);
    if (s->result == POLICY_SUCCESS) return;
    rec_put(b, 'h', sl_sub(s->host, 0, NAME_BYTES));
    put_ip(b, 'i', &s->ip);
    put_ip(b, 'l', &s->source);
    rec_opt(b, 'w', utf8_cut(s->reason, REASON_BYTES));
}

static struct slice hash_of(struct arena *a, const struct buf *b)
{
    uint8_t digest[HASH_MAX];
    struct buf hex = BUF_INIT;
    hash_once(HASH_SHA256, buf_slice(b), digest);
    hex_encode(&hex, sl(digest, TLSRPT_HASH / 2));
    struct slice s = ar_dup(a, buf_slice(&hex));
    buf_free(&hex);
    return s;
}

/* One more of this row, 0 when there is no room. With the lock held. */
static uint64_t count(struct tlsrpt *t, struct slice name, struct slice key)
{
    uint64_t n = (uintptr_t)map_get(&t->counts, key), rows = (uintptr_t)map_get(&t->domains, name);
    if (!n && (rows >= TLSRPT_ROWS || t->counts.count >= TLSRPT_ROWS_ALL)) {
        t->dropped++;
        return 0;
    }
    if (!n) map_put(&t->domains, name, (void *)(uintptr_t)(rows + 1));
    map_put(&t->counts, key, (void *)(uintptr_t)(n + 1));
    return n + 1;
}

static struct slice object_of(struct arena *a, int64_t day)
{
    struct civil c = civil_from_unix(day * TLSRPT_DAY_S);
    return ar_printf(a, "rt:%04d%02d%02d", c.year, c.month, c.day);
}

void tlsrpt_note(void *tlsrpt, const struct policy_session *s)
{
    struct tlsrpt *t = tlsrpt;
    struct arena a = {0};
    struct buf policy = BUF_INIT, row = BUF_INIT;
    uint64_t dropped = 0;
    if (!t->conf.gather) return;
    put_policy(&policy, s);
    put_row(&row, s);
    struct slice name = hash_name(&a, s->domain), ph = hash_of(&a, &policy), rh = hash_of(&a, &row);
    struct slice key = ar_printf(&a, "%.*s/%.*s/%.*s", SLF(name), SLF(ph), SLF(rh));
    lock_take(&t->lock);
    if (rt_wall_seconds() / TLSRPT_DAY_S != t->day) dropped = begin_generation(t);
    uint64_t n = count(t, name, key);
    if (n) { /* under the lock: a later note of this key has a higher count */
        struct slice object = object_of(&a, t->day);
        rec_put_u64(&row, 'n', n);
        kv_note_record(t->conf.store->kv, object, ar_printf(&a, "o/%.*s.%s", SLF(key), t->gen), &row);
        if (n == 1)
            kv_note_record(t->conf.store->kv, object, ar_printf(&a, "p/%.*s/%.*s", SLF(name), SLF(ph)),
                           &policy);
    }
    lock_release(&t->lock);
    tell_dropped(dropped);
    buf_free(&policy);
    buf_free(&row);
    ar_free(&a);
}

/* ---- open and close ---- */

void tlsrpt_open(struct tlsrpt **out, const struct tlsrpt_conf *conf)
{
    struct tlsrpt *t = xcalloc(1, sizeof *t);
    t->conf = *conf;
    t->conf.hostname = sl(t->hostname, (size_t)snprintf(t->hostname, sizeof t->hostname, "%.*s",
                                                        SLF(sl_sub(conf->hostname, 0, 255))));
    map_init(&t->counts, false);
    map_init(&t->domains, false);
    begin_generation(t);
    *out = t;
}

void tlsrpt_close(struct tlsrpt **tp)
{
    struct tlsrpt *t = *tp;
    if (!t) return;
    map_free(&t->counts);
    map_free(&t->domains);
    tlsrpt_share_free(&t->share);
    free(t);
    *tp = NULL;
}
