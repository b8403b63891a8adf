/* rescue.c - an index made again, from images and from bodies that are younger.
 *
 * Which domains there are is said by their list, or by an image that is younger than it; which accounts, by
 * the images of the domains. Each account gets what its image holds. Then every pack of mail is read once: a
 * body that is not older than its account's image, and that the image does not name, comes back as its origin
 * says. A body that an image names in a pack that is gone was moved by a sweep: it is found by size, checksum
 * and date. */
#include "rescue_i.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

/* A body that a letter brought: deliveries are remembered for 30 days, so that looking back this far never
 * delivers twice, and no letter waits so long between its body and its mailbox. */
static const uint64_t letter_back = 6 * 86400ull * 1000000;

static bool is_unreadable(int e) { return err_is_damage(e) || e == ERR_NOT_FOUND; }

static int sooner(int e) { return is_unreadable(e) ? 0 : e; }

/* ---- which images there are ---- */

static void see_image(void *arg, const struct body_seen *seen)
{
    struct rescue *r = arg;
    struct rec rec;
    struct image_origin o;
    r->report->bodies++;
    r->report->damaged += seen->status != 0;
    if (seen->status || origin_open(seen->origin, &rec) != ORIGIN_IMAGE || image_origin_get(&rec, &o) ||
        o.part)
        return;
    struct head_seen *h = ar_new(&r->own, struct head_seen);
    *h = (struct head_seen){.head = seen->ref, .stamp = o.stamp, .when = o.when, .body = seen->stamp};
    struct head_seen *first = map_get(&r->heads, o.object), **at = &first;
    while (*at && (*at)->body > h->body) at = &(*at)->next;
    h->next = *at;
    *at = h;
    map_put(&r->heads, o.object, first);
}

/* Runs see() over the packs of some classes. */
static int packs_each(struct rescue *r, bool images, int (*see)(struct rescue *r, const struct body_pack *p))
{
    struct arena a;
    struct body_pack *pack;
    size_t n;
    ar_init(&a, 0);
    int e = body_packs(r->s->body, &a, &pack, &n);
    for (size_t i = 0; e == 0 && i < n; i++) {
        if (fiber_canceled()) e = ERR_CANCELED;
        else if ((pack[i].cls == BODY_IMAGE) == images) e = sooner(see(r, &pack[i]));
    }
    ar_free(&a);
    return e;
}

static int see_image_pack(struct rescue *r, const struct body_pack *p)
{
    return body_verify(r->s->body, p->number, see_image, r);
}

static int note_pack(struct rescue *r, const struct body_pack *p)
{
    map_put(&r->packs, sl(&p->number, sizeof p->number), r);
    return 0;
}

/* ---- the directory ---- */

struct restoring {
    struct rescue *r;
    struct slice object;
    struct buf rows;
};

static int put_rows(struct kv_tx *tx, void *arg)
{
    struct slice rows = *(struct slice *)arg, key, value;
    while (rows_take(&rows, &key, &value)) kv_tx_put(tx, key, value);
    return 0;
}

static int put_waiting(struct restoring *x)
{
    struct slice rows = buf_slice(&x->rows);
    int e = rows.n ? kv_transact(x->r->s->kv, x->object, put_rows, &rows) : 0;
    buf_clear(&x->rows);
    return e;
}

static void note_account(struct rescue *r, struct slice domain, struct slice key, struct slice value)
{
    struct arena a;
    struct account acc;
    ar_init(&a, 0);
    if (account_row_parse(&a, domain, key, value, &acc) == 0) {
        struct rescue_account *x = ar_new(r->a, struct rescue_account);
        x->id = ar_cstr(r->a, sl_cstr(acc.id));
        x->address = ar_dup(r->a, acc.address);
        map_put(&r->accounts, sl_cstr(x->id), x);
    } else {
        r->report->rows_lost++;
    }
    ar_free(&a);
}

/* A tombstone has done what it was for: nothing of the account comes back. */
static int restore_row(void *arg, struct slice key, struct slice value)
{
    struct restoring *x = arg;
    bool domain = sl_starts(x->object, SL("d:"));
    if (domain && sl_starts(key, SL("x:"))) return 0;
    if (domain && sl_starts(key, SL("a:"))) note_account(x->r, sl_from(x->object, 2), key, value);
    rows_add(&x->rows, key, value);
    return x->rows.n < 256 << 10 ? 0 : put_waiting(x);
}

static int restore_object(struct rescue *r, struct slice object, const struct head_seen *h)
{
    struct restoring x = {.r = r, .object = object};
    int e = image_rows(r->s, &h->head, restore_row, &x);
    if (e == 0) e = put_waiting(&x);
    buf_free(&x.rows);
    if (!e && sl_starts(object, SL("m:")) && (!r->report->numbers || h->when < r->report->numbers))
        r->report->numbers = h->when;
    if (e || !sl_starts(object, SL("d:"))) return e;
    r->report->domains++;
    if (!r->report->directory || h->when < r->report->directory) r->report->directory = h->when;
    return 0;
}

static int note_name(void *names, struct slice key, struct slice value)
{
    (void)value;
    map_put(names, key, names);
    return 0;
}

static int read_list(struct rescue *r, struct slice object, struct head_seen **list, struct map *names)
{
    int e = rescue_image(r, object, list);
    if (e == 0) return image_rows(r->s, &(*list)->head, note_name, names);
    *list = NULL;
    return e == ERR_NOT_FOUND ? 0 : e;
}

/* And what else is no account. A domain, a send: unless the list, which is younger, does not know it any
 * more.
 */
static int restore_directory(struct rescue *r)
{
    struct map names;
    struct map_iter it = {0};
    struct head_seen *domains = NULL, *sends = NULL, *h;
    map_init(&names, false);
    int e = read_list(r, SL("d:"), &domains, &names);
    if (e == 0) e = read_list(r, SL("s:"), &sends, &names);
    while (e == 0 && map_next(&r->heads, &it)) {
        bool send = sl_starts(it.key, SL("s:"));
        struct head_seen *list = send ? sends : sl_starts(it.key, SL("d:")) ? domains : NULL;
        if (sl_starts(it.key, SL("u:")) || image_is_list(it.key) || rescue_image(r, it.key, &h)) continue;
        if (list && !map_get(&names, it.key) && h->body < list->body) continue;
        e = restore_object(r, it.key, h);
        if (e == 0 && send && r->conf->send) e = r->conf->send(r->conf->ctx, it.key, h->when);
    }
    map_free(&names);
    if (e == 0 && !r->report->domains)
        e = err_set(ERR_NOT_FOUND, "there is no image of a domain among the bodies: put a backup there");
    return e;
}

/* ---- the accounts ---- */

static int restore_accounts(struct rescue *r)
{
    struct map_iter it = {0};
    size_t n = 0;
    int e = 0;
    r->report->account = ar_array(r->a, struct rescue_account, r->accounts.count);
    while (map_next(&r->accounts, &it)) r->report->account[n++] = *(struct rescue_account *)it.value;
    r->report->n = n;
    for (size_t i = 0; e == 0 && i < n; i++) {
        struct rescue_account *acc = &r->report->account[i];
        map_put(&r->accounts, sl_cstr(acc->id), acc);
        e = rescue_account(r, acc);
    }
    return e;
}

static int restore_quotas(struct rescue *r)
{
    int e = 0;
    for (size_t i = 0; e == 0 && i < r->report->n; i++) {
        const struct rescue_account *acc = &r->report->account[i];
        if (acc->quota || acc->quota_messages)
            e = account_set_quotas(r->s, acc->id,
                                   &(struct account_quotas){&acc->quota, &acc->quota_messages});
        if (e == 0) e = account_transact(r->s, acc->id, quota_trees_recount, NULL);
    }
    return e;
}

/* ---- younger bodies ---- */

struct found {
    struct found *next;
    struct body_ref ref;
    uint64_t stamp;
    struct slice origin;
};

/* What one pack brings, in its order. */
struct finding {
    struct rescue *r;
    struct arena a;
    struct found *first, **last;
};

static void see_body(void *arg, const struct body_seen *seen)
{
    struct finding *f = arg;
    struct rec rec;
    f->r->report->bodies++;
    f->r->report->damaged += seen->status != 0;
    if (seen->status) return;
    if (origin_open(seen->origin, &rec) == ORIGIN_NONE) f->r->report->nameless++;
    struct found *x = ar_new(&f->a, struct found);
    *x = (struct found){.ref = seen->ref, .stamp = seen->stamp, .origin = ar_dup(&f->a, seen->origin)};
    *f->last = x;
    f->last = &x->next;
}

/* A body of this account and date: do messages of an image wait for it? */
static int fill_gaps(struct rescue *r, const char *acc, int64_t date, const struct body_ref *ref)
{
    int e = 0;
    for (struct missing *m = map_get(&r->missing, body_ref_content(ref)); e == 0 && m; m = m->next) {
        if (!m->m.uid || strcmp(m->acc->id, acc) || m->m.internal_date != date) continue;
        e = rescue_missing(r, m, ref);
        if (e == 0) m->m.uid = 0; /* it is there */
        e = sooner(e);
    }
    return e;
}

/* Where it was: by number, if that mailbox has the name; by name; by number, for it was renamed; else made.
 */
static int find_box(struct rescue *r, const struct origin_message *o, struct arena *a, struct mailbox *out)
{
    struct mailbox named;
    int by_number = mailbox_get(r->s, o->acc, o->box, a, out);
    if (by_number == 0 && sl_eq(out->name, o->name)) return 0;
    int e = mailbox_find(r->s, o->acc, o->name, a, &named);
    if (e == 0) *out = named;
    if (e != ERR_NOT_FOUND || by_number == 0) return e == ERR_NOT_FOUND ? 0 : e;
    return mailbox_create(r->s, o->acc, o->name, 0, a, out);
}

static int append(struct rescue *r, struct origin_message *o, const struct body_ref *ref)
{
    struct arena a;
    struct mailbox box;
    uint32_t validity, uid;
    ar_init(&a, 0);
    o->m.body = *ref;
    o->m.size = body_ref_size(ref);
    int e = find_box(r, o, &a, &box);
    if (e == ERR_SYNTAX) e = mailbox_get(r->s, o->acc, INBOX_ID, &a, &box);
    struct mailbox_ref to = {.account = o->acc, .box = box.id};
    if (e == 0) e = message_append(r->s, to, &o->m, 1, &validity, &uid);
    if (e == ERR_LIMIT) {
        o->m.nkeywords = 0; /* hints; the message is not */
        e = message_append(r->s, to, &o->m, 1, &validity, &uid);
    }
    ar_free(&a);
    return e;
}

/* A sweep may have moved it: then the copy it was moved from lies in another pack. */
static bool is_second_copy(struct rescue *r, const struct found *f)
{
    struct arena a;
    ar_init(&a, 0);
    struct slice key =
        ar_printf(&a, "%llx %.*s", (unsigned long long)f->stamp, SLF(body_ref_content(&f->ref)));
    uintptr_t pack = (uintptr_t)body_ref_pack(&f->ref);
    uintptr_t before = (uintptr_t)map_get(&r->recent, key);
    if (!before) map_put(&r->recent, key, (void *)pack);
    ar_free(&a);
    return before && before != pack;
}

static int take_message(struct rescue *r, struct rec *rec, const struct found *f)
{
    struct origin_message o;
    if (origin_message_get(rec, &o)) {
        r->report->nameless++;
        return 0;
    }
    struct rescue_account *acc = map_get(&r->accounts, sl_cstr(o.acc));
    if (!acc) {
        r->report->strangers++;
        return 0;
    }
    int e = fill_gaps(r, o.acc, o.m.internal_date, &f->ref);
    if (e || f->stamp < acc->stamp || rescue_remembers(r, o.acc, &f->ref) || is_second_copy(r, f)) return e;
    e = append(r, &o, &f->ref);
    if (e == 0) acc->appended++;
    return e;
}

/* ---- letters ---- */

int rescue_has(const struct rescue_letter *l, const char *acc, int64_t received)
{
    struct rescue_account *x = map_get(&l->rescue->accounts, sl_cstr(acc));
    if (!x) return ERR_NOT_FOUND;
    int e = fill_gaps(l->rescue, acc, received, l->ref);
    return e ? e : l->stamp + letter_back < x->stamp || rescue_remembers(l->rescue, acc, l->ref);
}

void rescue_delivered(const struct rescue_letter *l, const char *acc)
{
    struct rescue_account *x = map_get(&l->rescue->accounts, sl_cstr(acc));
    if (x) x->letters++;
}

static int take_letter(struct rescue *r, struct rec *rec, const struct found *f)
{
    uint64_t queued = ((uint64_t)r->conf->queued_s + 86400) * 1000000;
    struct rescue_letter l = {.origin = rec,
                              .ref = &f->ref,
                              .stamp = f->stamp,
                              .waited = f->stamp + queued >= r->newest,
                              .rescue = r};
    bool old = !l.waited && f->stamp + letter_back < r->oldest && !r->missing.count;
    int e = old ? 0 : r->conf->letter(r->conf->ctx, &l);
    if (err_is_damage(e)) r->report->nameless++;
    return sooner(e);
}

static int take_body(struct rescue *r, const struct found *f)
{
    struct rec rec;
    enum origin_kind kind = origin_open(f->origin, &rec);
    if (fiber_canceled()) return ERR_CANCELED;
    if (kind == ORIGIN_MESSAGE) return take_message(r, &rec, f);
    return kind == ORIGIN_LETTER ? take_letter(r, &rec, f) : 0;
}

static int take_pack(struct rescue *r, const struct body_pack *p)
{
    struct finding f = {.r = r};
    ar_init(&f.a, 0);
    f.last = &f.first;
    int e = body_verify(r->s->body, p->number, see_body, &f);
    if (is_unreadable(e)) {
        log_error("care", "nothing comes back from a pack of bodies: %s", err_text(e));
        r->report->packs_lost++;
        e = 0;
    }
    for (struct found *x = f.first; e == 0 && x; x = x->next) e = take_body(r, x);
    ar_free(&f.a);
    return e;
}

/* ---- all of it ---- */

/* When it ended, as far as images and packs tell; and since when accounts may lack something. */
static void measure(struct rescue *r)
{
    struct map_iter it = {0};
    r->oldest = UINT64_MAX;
    for (size_t i = 0; i < r->report->n; i++)
        if (r->report->account[i].stamp < r->oldest) r->oldest = r->report->account[i].stamp;
    while (map_next(&r->heads, &it)) {
        const struct head_seen *h = it.value;
        if (h->body > r->newest) r->newest = h->body;
    }
    it = (struct map_iter){0};
    while (map_next(&r->packs, &it)) {
        uint64_t number;
        memcpy(&number, it.key.p, sizeof number);
        if (number > r->newest) r->newest = number;
    }
}

static int rescue_all(struct rescue *r)
{
    int e = packs_each(r, true, see_image_pack);
    if (e == 0) e = packs_each(r, false, note_pack);
    if (e == 0) e = restore_directory(r);
    if (e == 0) e = restore_accounts(r);
    if (e == 0) measure(r);
    if (e == 0) e = packs_each(r, false, take_pack);
    if (e == 0) e = restore_quotas(r);
    if (e == 0) e = loss_note(r->s, SL("the index was lost, and made again from images and younger bodies"));
    return e;
}

int rescue_index(struct store *s, const struct rescue_conf *conf, struct arena *a, struct rescue_report *out)
{
    struct rescue r = {.s = s, .conf = conf, .report = out, .a = a};
    struct map *maps[] = {&r.heads, &r.accounts, &r.packs, &r.recent, &r.missing};
    *out = (struct rescue_report){0};
    ar_init(&r.own, 0);
    for (size_t i = 0; i < COUNT_OF(maps); i++) map_init(maps[i], false);
    int e = rescue_all(&r);
    for (size_t i = 0; i < COUNT_OF(maps); i++) map_free(maps[i]);
    ar_free(&r.own);
    return e;
}
