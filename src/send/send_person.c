/* send_person.c - letters of sends that have to do with a person (send_person.h). */
#include "send_person.h"

#include <stdio.h>

#include "base/text.h"
#include "send_i.h"
#include "send_pages.h"

enum { ROWS_AT_ONCE = 16 };

/* ---- pages, joined from their rows ---- */

typedef int page_fn(void *arg, uint64_t first, struct slice bytes);

static bool first_of(struct slice key, uint64_t *first)
{
    return num_u64(sl_sub(key, 2, 12), UINT64_MAX, first);
}

struct joined {
    struct buf bytes;
    uint64_t first;
};

static int join(struct joined *j, const struct kv_row *row, page_fn *page, void *arg)
{
    uint64_t first;
    int e = 0;
    if (!first_of(row->key, &first)) return 0; /* no page is found under such a name */
    if (j->bytes.n && first != j->first) {
        e = page(arg, j->first, buf_slice(&j->bytes));
        buf_clear(&j->bytes);
    }
    j->first = first;
    buf_put(&j->bytes, row->value);
    return e;
}

static int each_page(struct sends *s, const struct letter_id *send, page_fn *page, void *arg)
{
    struct arena a = {0};
    struct kv_page rows = {.more = true};
    struct joined j = {.bytes = BUF_INIT};
    char object[24], from[KV_KEY_MAX + 2] = "p/";
    int e = 0;
    send_object(send, object);
    while (!e && rows.more) {
        ar_reset(&a);
        e = kv_walk(s->store->kv, sl_cstr(object), ar_dup(&a, sl_cstr(from)), SL("p0"), ROWS_AT_ONCE, &a,
                    &rows);
        if (e || !rows.n) break;
        snprintf(from, sizeof from, "%.*s ", SLF(rows.row[rows.n - 1].key));
        for (size_t i = 0; !e && i < rows.n; i++) e = join(&j, &rows.row[i], page, arg);
    }
    if (!e && j.bytes.n) e = page(arg, j.first, buf_slice(&j.bytes));
    buf_free(&j.bytes);
    ar_free(&a);
    return e;
}

static bool letter_names(struct slice letter, const struct send_person *who)
{
    struct rec r = {.rest = letter};
    while (rec_next(&r))
        if (who->names(who->arg, r.field)) return true;
    return false;
}

static bool is_over(struct sends *s, const struct letter_id *send)
{
    struct arena a = {0};
    struct send_count c;
    char object[24];
    send_object(send, object);
    bool over = send_count_read(s, object, &a, &c) == 0 && c.over;
    ar_free(&a);
    return over;
}

/* ---- telling ---- */

struct looking {
    const struct send_person *who;
    struct send_about about;
    send_about_fn *each;
    void *arg;
    uint64_t *damaged;
};

static int look(void *arg, uint64_t first, struct slice bytes)
{
    struct looking *x = arg;
    struct rec r = {.rest = bytes};
    struct arena a = {0};
    int e = 0;
    for (x->about.number = first; !e && rec_next(&r); x->about.number++) {
        if (r.tag != 'L' || !letter_names(r.field, x->who)) continue;
        if (send_letter_get(r.field, &a, &x->about.letter) != 0) ++*x->damaged; /* tells what there is */
        e = x->each(x->arg, &x->about);
        ar_reset(&a);
    }
    *x->damaged += r.bad;
    ar_free(&a);
    fiber_breathe();
    return e;
}

int send_person_each(struct sends *s, const struct letter_id *send, const struct send_person *who,
                     send_about_fn *each, void *arg, uint64_t *damaged)
{
    struct looking x = {.who = who, .each = each, .arg = arg, .damaged = damaged};
    x.about.send = *send;
    x.about.over = is_over(s, send);
    return each_page(s, send, look, &x);
}

/* ---- erasing ---- */

static void stars(char *page, struct slice base, struct slice field)
{
    memset(page + (field.p - base.p), '*', field.n);
}

/* Still a JSON object, with nothing in it. */
static void nothing(char *page, struct slice base, struct slice field)
{
    char *p = page + (field.p - base.p);
    memset(p, ' ', field.n);
    if (field.n >= 2) memcpy(p, "{}", 2);
}

/* What is in the letter's fields; base: the page as it was, which the fields point into. */
static void mask_letter(char *page, struct slice base, struct slice letter, const struct send_person *who)
{
    struct rec r = {.rest = letter};
    bool theirs = false;
    while (rec_next(&r)) {
        bool address = r.tag && strchr("tcbf", r.tag), name = r.tag && strchr("TCBF", r.tag);
        if (address) theirs = who->names(who->arg, r.field);
        if ((address || name) && theirs) stars(page, base, r.field);
        if (r.tag == 's' || r.tag == 'H' || r.tag == 'u') stars(page, base, r.field);
        if (r.tag == 'd' || r.tag == 'a') nothing(page, base, r.field);
    }
}

struct erasing {
    struct sends *s;
    const struct letter_id *send;
    const struct send_person *who;
    uint64_t first, n; /* the page; its letters that were masked */
    uint64_t *erased, *left;
    struct slice *key; /* of its rows, with their lengths */
    size_t *length, rows, room;
    struct arena a;
    struct buf page;
};

static int gather(void *arg, struct slice key, struct slice value)
{
    struct erasing *x = arg;
    if (x->rows == x->room) {
        size_t room = x->room;
        x->key = ar_grow(&x->a, x->key, &room, sizeof *x->key);
        x->length = ar_grow(&x->a, x->length, &x->room, sizeof *x->length);
    }
    x->key[x->rows] = ar_dup(&x->a, key);
    x->length[x->rows++] = value.n;
    buf_put(&x->page, value);
    return 0;
}

static void mask_page(struct erasing *x)
{
    struct slice base = ar_dup(&x->a, buf_slice(&x->page));
    struct rec r = {.rest = base};
    while (rec_next(&r)) {
        if (r.tag != 'L' || !letter_names(r.field, x->who)) continue;
        mask_letter(x->page.p, base, r.field, x->who);
        x->n++;
    }
}

static int over_in(struct kv_tx *tx, bool *over)
{
    struct slice row;
    struct send_count c = {0};
    int e = kv_tx_get(tx, SL("c"), &row);
    if (!e) e = send_count_get(row, &c);
    *over = !e && c.over;
    return e == ERR_NOT_FOUND ? 0 : e;
}

static int erase_tx(struct kv_tx *tx, void *arg)
{
    struct erasing *x = arg;
    bool over;
    ar_reset(&x->a);
    x->n = x->rows = 0;
    x->room = 8;
    x->key = ar_array(&x->a, struct slice, x->room);
    x->length = ar_array(&x->a, size_t, x->room);
    buf_clear(&x->page);
    int e = over_in(tx, &over);
    if (!e && !over) return ERR_STATE;
    if (!e)
        e = kv_tx_scan(tx, send_key_page(&x->a, x->first, 0), send_key_page(&x->a, x->first, 999), gather, x);
    if (!e) mask_page(x);
    for (size_t i = 0, at = 0; !e && x->n && i < x->rows; at += x->length[i++])
        kv_tx_put(tx, x->key[i], sl(x->page.p + at, x->length[i]));
    return e;
}

static int erase_page(void *arg, uint64_t first, struct slice bytes)
{
    struct erasing *x = arg;
    struct rec r = {.rest = bytes};
    char object[24];
    uint64_t named = 0;
    while (rec_next(&r)) named += r.tag == 'L' && letter_names(r.field, x->who);
    fiber_breathe();
    if (!named) return 0;
    send_object(x->send, object);
    x->first = first;
    int e = kv_transact(x->s->store->kv, sl_cstr(object), erase_tx, x);
    if (!e) send_pages_forget(x->s->pages), *x->erased += x->n;
    if (e == ERR_STATE) *x->left += named;
    return e == ERR_STATE ? 0 : e;
}

int send_person_erase(struct sends *s, const struct letter_id *send, const struct send_person *who,
                      uint64_t *erased, uint64_t *left)
{
    struct erasing x = {.s = s, .send = send, .who = who, .erased = erased, .left = left};
    int e = each_page(s, send, erase_page, &x);
    buf_free(&x.page);
    ar_free(&x.a);
    return e;
}

/* ---- whole sends ---- */

int send_owner(struct sends *s, const struct letter_id *send, struct arena *a, struct slice *account,
               bool *over)
{
    struct send_head h;
    int e = send_head_read(s, send, a, &h);
    *account = e ? SL("") : h.account;
    *over = !e && is_over(s, send);
    return e;
}

static int forget_listed(struct kv_tx *tx, void *key)
{
    kv_tx_del(tx, sl_cstr(key));
    return 0;
}

int send_forget(struct sends *s, const struct letter_id *send)
{
    struct arena a = {0};
    struct slice account;
    bool over;
    char object[24];
    send_object(send, object);
    int e = send_owner(s, send, &a, &account, &over);
    char *listed = e ? NULL : ar_cstr(&a, ar_printf(&a, "l/%.*s/%s", SLF(account), send->s));
    if (listed) e = kv_transact(s->store->kv, SL(SENDS_OBJECT), forget_listed, listed);
    if (listed && !e) e = kv_erase(s->store->kv, sl_cstr(object), SL(" "), SL(""));
    ar_free(&a);
    return e;
}
