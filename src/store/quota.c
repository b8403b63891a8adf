/* quota.c - the limits of an account: whether more fits, and the marks that are passed. */
#include "quota.h"

#include <stdio.h>

#include "base/log.h"
#include "mailbox_i.h"

#define OBJECT "_full"
enum { PASSED_ROW = 1 };

int quota_check(const struct account_row *a, uint64_t bytes, uint64_t messages)
{
    if (a->quota && a->bytes + bytes > a->quota)
        return err_set(ERR_QUOTA, "the account holds %llu bytes of the %llu it may",
                       (unsigned long long)a->bytes, (unsigned long long)a->quota);
    if (a->quota_messages && a->messages + messages > a->quota_messages)
        return err_set(ERR_QUOTA, "the account holds %llu messages of the %llu it may",
                       (unsigned long long)a->messages, (unsigned long long)a->quota_messages);
    return 0;
}

/* ---- marks ---- */

static bool used(uint64_t n, uint64_t limit, unsigned percent)
{
    return limit && n >= limit / 100 * percent + (limit % 100 * percent + 99) / 100;
}

bool quota_reached(const struct account_usage *u, unsigned percent)
{
    return used(u->bytes, u->quota_bytes, percent) || used(u->messages, u->quota_messages, percent);
}

static void put_passed(struct kv_tx *tx, unsigned mark, uint64_t modseq, uint64_t tree)
{
    char key[KEY_ROOM];
    struct buf b = BUF_INIT;
    struct slice acc = sl_from(kv_tx_object(tx), 2);
    int n = snprintf(key, sizeof key, tree ? "%.*s/%016llx" : "%.*s", SLF(acc), (unsigned long long)tree);
    rec_begin(&b, PASSED_ROW);
    rec_put_u64(&b, 'p', mark);
    rec_put_u64(&b, 'm', modseq);
    rec_put_u64(&b, 't', (uint64_t)rt_wall_seconds());
    kv_tx_note(tx, SL(OBJECT), sl(key, (size_t)n), &b);
    kv_tx_notify(tx, SL(OBJECT));
    buf_free(&b);
}

/* A mark counts as passed until a hundredth below it is free again: who goes to and fro at a mark, as a move
 * by copy and expunge does, passes it once. */
static unsigned still_passed(const struct account_usage *u, unsigned warned)
{
    if (warned >= QUOTA_MARK_LAST && quota_reached(u, QUOTA_MARK_LAST - 1)) return QUOTA_MARK_LAST;
    return warned && quota_reached(u, QUOTA_MARK_FIRST - 1) ? QUOTA_MARK_FIRST : 0;
}

unsigned quota_mark(struct kv_tx *tx, const struct account_usage *u, unsigned warned, uint64_t modseq,
                    uint64_t tree)
{
    unsigned before = still_passed(u, warned);
    unsigned now = quota_reached(u, QUOTA_MARK_LAST)    ? QUOTA_MARK_LAST
                   : quota_reached(u, QUOTA_MARK_FIRST) ? QUOTA_MARK_FIRST
                                                        : 0;
    if (now <= before) return before;
    put_passed(tx, now, modseq, tree);
    return now;
}

unsigned quota_judge(struct kv_tx *tx, const struct account_row *a)
{
    struct account_usage u = {a->bytes, a->messages, a->quota, a->quota_messages, a->boxes};
    return quota_mark(tx, &u, a->warned, a->modseq, 0);
}

/* ---- who is to hear of it ---- */

/* Also of a damaged row the key says whose it is. */
static struct quota_passed of_key(struct slice key)
{
    struct quota_passed p = {.key = key, .account = key};
    size_t slash = sl_chr(key, '/');
    if (slash == SL_NONE) return p;
    p.account = sl_sub(key, 0, slash);
    if (!num_hex64(sl_from(key, slash + 1), &p.tree)) p.tree = UINT64_MAX; /* no tree has it */
    return p;
}

static void passed_get(const struct kv_row *row, struct quota_passed *out)
{
    struct rec r;
    *out = of_key(row->key);
    int e = rec_open(&r, row->value, PASSED_ROW);
    while (e == 0 && rec_next(&r)) switch (r.tag) {
        case 'p': out->mark = (unsigned)rec_u64(&r); break;
        case 'm': out->modseq = rec_u64(&r); break;
        case 't': out->when = (int64_t)rec_u64(&r); break;
        }
    if (e == 0) e = rec_error(&r);
    if (e == 0) return;
    log_error("store", "the row of the account %.*s, which is nearly full, is damaged", SLF(row->key));
    *out = of_key(row->key);
}

int quota_passed_list(struct store *s, struct slice after, size_t limit, struct arena *a,
                      struct quota_passed **out, size_t *n)
{
    struct kv_page page;
    struct slice from = after.n ? kv_after(a, after) : after;
    *n = 0;
    int e = kv_scan(s->kv, SL(OBJECT), from, SL(""), limit, a, &page);
    if (e) return e;
    *out = ar_array(a, struct quota_passed, page.n);
    for (; *n < page.n; ++*n) passed_get(&page.row[*n], &(*out)[*n]);
    return 0;
}

static int forget(struct kv_tx *tx, void *arg)
{
    const struct quota_passed *p = arg;
    struct quota_passed now;
    struct kv_row row = {.key = p->key};
    int e = kv_tx_get(tx, row.key, &row.value);
    if (e) return e == ERR_NOT_FOUND ? 0 : e;
    passed_get(&row, &now);
    if (now.modseq == p->modseq && now.mark == p->mark) kv_tx_del(tx, row.key);
    return 0;
}

int quota_passed_done(struct store *s, const struct quota_passed *p)
{
    return kv_transact(s->kv, SL(OBJECT), forget, (void *)p);
}

struct kv_watch *quota_watch(struct store *s, void (*fn)(void *), void *arg)
{
    return kv_watch(s->kv, SL(OBJECT), fn, arg);
}
