/* person.c - every row of the index that names a person, told or erased (person.h). */
#include "person.h"

#include <stdio.h>

#include "allowance/allowance.h"
#include "base/log.h"
#include "base/text.h"
#include "core.h"
#include "kv/record.h"
#include "send/send_person.h"
#include "send/suppression.h"
#include "store/acl.h"
#include "trace/trace.h"

enum { ROWS_AT_ONCE = 50 }; /* of 64 KiB each: they fit a transaction */

const char *person_word(enum person_place p)
{
    static const char *const words[] = {
#define X(name, word) word,
        PERSON_PLACES(X)
#undef X
    };
    return words[p];
}

const char *person_stays(enum person_place p)
{
    switch (p) {
    case PERSON_QUEUE:
        return "letters that wait belong to their sender until they have left; `tram queue drop` ends them";
    case PERSON_INBOUND: return "a setting of an account: `tram inbound remove`";
    case PERSON_DIRECTORY:
        return "these are settings of this node (aliases, lists, catch-alls, rights): `tram alias remove`, "
               "`tram list member remove`, `tram account revoke`, `tram domain admin remove`";
    case PERSON_BLOCKS: return "an operator shut it out by hand: `tram block remove`";
    case PERSON_SOURCES: return "a setting of this node: `tram source forget`";
    case PERSON_ALERTS: return "an alert goes six hours after its end";
    case PERSON_REPORTS: return "other servers' reports name whom to ask about them; they go with their age";
    case PERSON_AUDIT: return "what operators did is evidence, and goes when `audit_keep` is over";
    default: return NULL;
    }
}

enum how { TELL, STARS, DELETE, REVOKE };
struct walk;
struct spec {
    enum person_place place;
    const char *from, *to, *key, *key_to; /* objects, and rows in them; key_to "": to the end */
    enum how how;                         /* to erase */
    const char *nested;                   /* tags of fields that are records */
    int (*whole)(struct walk *w, struct slice object);
};

struct walk {
    struct core *core;
    const struct person *p;
    const struct spec *spec;
    bool erase;
    person_found_fn *each;
    void *arg;
    struct person_report *out;
    struct arena a; /* of a page */
};

static struct person_tally *tally(struct walk *w) { return &w->out->at[w->spec->place]; }

static int tell(struct walk *w, struct person_found *f)
{
    f->place = w->spec->place;
    return w->each ? w->each(w->arg, f) : 0;
}

/* ---- what a row says ---- */

typedef void text_fn(void *arg, struct slice text);

/* Each field; what is no record, or cannot be read to its end, as it is. False: it is damaged. */
static bool each_text(struct slice value, const char *nested, text_fn *fn, void *arg)
{
    struct rec r;
    bool whole = true;
    if (rec_open(&r, value, UINT8_MAX) != 0) {
        fn(arg, value);
        return false;
    }
    while (rec_next(&r)) {
        if (nested && r.tag && strchr(nested, r.tag)) whole &= each_text(r.field, NULL, fn, arg);
        else fn(arg, r.field);
    }
    if (r.bad) fn(arg, r.rest);
    return whole && !r.bad;
}

struct naming {
    struct walk *w;
    struct slice *text;
    size_t n, room;
};

static void collect(void *arg, struct slice text)
{
    struct naming *x = arg;
    size_t at = 0, n;
    if (!person_in(x->w->p, text, &at, &n)) return;
    if (!x->text) x->text = ar_array(&x->w->a, struct slice, x->room = 4);
    if (x->n == x->room) x->text = ar_grow(&x->w->a, x->text, &x->room, sizeof *x->text);
    x->text[x->n++] = text;
}

/* An alias, or a name that an account had, is the key itself. */
static bool key_is_theirs(struct walk *w, struct slice object, struct slice key)
{
    struct buf b = BUF_INIT;
    if (w->spec->place != PERSON_DIRECTORY || !sl_eq(sl_from(object, 2), w->p->domain)) return false;
    buf_str(&b, "l:");
    percent_encode(&b, local_name(&w->a, w->p->local), ".+_-");
    bool yes = sl_eqi(key, buf_slice(&b));
    buf_free(&b);
    return yes;
}

static int look_row(struct walk *w, struct slice object, const struct kv_row *row, bool *names)
{
    struct naming x = {.w = w};
    bool whole = true;
    *names = false;
    if (sl_findi(row->value, w->p->domain) != SL_NONE)
        whole = each_text(row->value, w->spec->nested, collect, &x);
    else if (!key_is_theirs(w, object, row->key)) return 0;
    *names = x.n || key_is_theirs(w, object, row->key);
    tally(w)->damaged += !whole && sl_findi(row->value, w->p->address) != SL_NONE;
    tally(w)->found += *names;
    struct person_found f = {
        .object = object, .key = row->key, .value = row->value, .text = x.text, .n = x.n};
    return *names ? tell(w, &f) : 0;
}

/* ---- erasing the rows of a page ---- */

struct masking {
    const struct person *p;
    struct slice base;
    char *copy;
    bool any;
};

static void mask(void *arg, struct slice text)
{
    struct masking *m = arg;
    for (size_t at = 0, n; person_in(m->p, text, &at, &n); at += n) {
        memset(m->copy + (text.p - m->base.p) + at, '*', n);
        m->any = true;
    }
}

struct settling {
    struct walk *w;
    struct slice *key;
    size_t n;
    uint64_t erased;
};

/* Whether a row names them is looked at again: it may be another by now. */
static int settle(struct kv_tx *tx, void *arg)
{
    struct settling *x = arg;
    struct arena a = {0};
    int e = 0;
    x->erased = 0;
    for (size_t i = 0; !e && i < x->n; i++) {
        struct masking m = {.p = x->w->p};
        e = kv_tx_get(tx, x->key[i], &m.base);
        if (!e) {
            m.base = ar_dup(&a, m.base);
            m.copy = ar_cstr(&a, m.base);
            (void)each_text(m.base, x->w->spec->nested, mask, &m);
        }
        if (m.any && x->w->spec->how == DELETE) kv_tx_del(tx, x->key[i]);
        if (m.any && x->w->spec->how == STARS) kv_tx_put(tx, x->key[i], sl(m.copy, m.base.n));
        x->erased += m.any;
        if (e == ERR_NOT_FOUND) e = 0;
    }
    ar_free(&a);
    return e;
}

/* Their entry in the access list of somebody's mailbox. */
static int revoke(struct walk *w, struct slice object, struct slice key)
{
    struct acl_entry *v;
    size_t n = 0;
    uint64_t box = 0;
    if (!num_hex64(sl_from(key, 2), &box) || box > UINT32_MAX) return 0;
    struct mailbox_ref ref = {.account = ar_cstr(&w->a, sl_from(object, 2)), .box = (uint32_t)box};
    int e = acl_read(w->core->store, ref, &w->a, &v, &n);
    for (size_t i = 0; !e && i < n; i++) {
        size_t at = 0, len;
        if (!person_in(w->p, v[i].who, &at, &len)) continue;
        v[i].rights = 0;
        e = acl_change(w->core->store, ref, SL(""), &v[i], ACL_SET);
        if (!e) tally(w)->erased++;
    }
    if (err_is_damage(e) || e == ERR_NOT_FOUND)
        log_warn("person", "%.*s %.*s: %s", SLF(object), SLF(key), err_text(e));
    return err_is_damage(e) || e == ERR_NOT_FOUND ? 0 : e;
}

static int erase_rows(struct walk *w, struct slice object, struct settling *x)
{
    int e = 0;
    if (!x->n || !w->erase || w->spec->how == TELL) return 0;
    for (size_t i = 0; !e && w->spec->how == REVOKE && i < x->n; i++) e = revoke(w, object, x->key[i]);
    if (w->spec->how == REVOKE) return e;
    e = kv_transact(w->core->store->kv, object, settle, x);
    if (!e) tally(w)->erased += x->erased;
    return e;
}

/* ---- walking ---- */

static int look_page(struct walk *w, struct slice object, const struct kv_page *page)
{
    struct settling x = {.w = w, .key = ar_array(&w->a, struct slice, page->n)};
    int e = 0;
    for (size_t i = 0; !e && i < page->n; i++) {
        bool names;
        e = look_row(w, object, &page->row[i], &names);
        if (names) x.key[x.n++] = page->row[i].key;
    }
    return e ? e : erase_rows(w, object, &x);
}

static int look_rows(struct walk *w, struct slice object)
{
    struct kv_page page = {.more = true};
    char from[KV_KEY_MAX + 2];
    snprintf(from, sizeof from, "%s", w->spec->key);
    int e = 0;
    while (!e && page.more) {
        ar_reset(&w->a);
        e = kv_walk(w->core->store->kv, object, ar_dup(&w->a, sl_cstr(from)), sl_cstr(w->spec->key_to),
                    ROWS_AT_ONCE, &w->a, &page);
        if (e || !page.n) break;
        snprintf(from, sizeof from, "%.*s ", SLF(page.row[page.n - 1].key));
        e = look_page(w, object, &page);
        fiber_breathe();
    }
    return e;
}

static bool names(void *arg, struct slice text)
{
    size_t at = 0, n;
    return person_in(arg, text, &at, &n);
}

static int tell_letter(void *arg, const struct send_about *about)
{
    struct walk *w = arg;
    char object[24];
    snprintf(object, sizeof object, "s:%s", about->send.s);
    tally(w)->found++;
    return tell(w, &(struct person_found){.object = sl_cstr(object), .letter = about});
}

static bool send_of(struct slice object, struct letter_id *id)
{
    struct slice name = sl_from(object, 2);
    *id = (struct letter_id){{0}};
    if (letter_id_ok(name)) memcpy(id->s, name.p, LETTER_ID_LEN);
    return id->s[0] != 0;
}

static int look_send(struct walk *w, struct slice object)
{
    struct letter_id id;
    struct person_tally *t = tally(w);
    struct send_person who = {names, (void *)w->p};
    if (!send_of(object, &id)) return 0;
    if (!w->erase) return send_person_each(w->core->sends, &id, &who, tell_letter, w, &t->damaged);
    uint64_t erased = 0, left = 0;
    int e = send_person_erase(w->core->sends, &id, &who, &erased, &left);
    t->found += erased + left;
    t->erased += erased;
    t->left += left;
    return e;
}

/* The row has a keyed hash for its name: what it says is found by that, also when the address is not there.
 */
static int look_suppressed(struct walk *w, struct slice object)
{
    struct suppression_entry *v;
    size_t n = 0;
    struct slice account = ar_dup(&w->a, sl_from(object, 2));
    int e = suppression_get(w->core->sends, account, w->p->address, &w->a, &v, &n);
    w->out->suppressing += !e && n > 0;
    if (!e && n && w->erase) e = suppression_forget(w->core->sends, account, w->p->address);
    if (e == ERR_NOT_FOUND) e = 0;
    return e;
}

static int look_written_to(struct walk *w, struct slice object)
{
    enum allowance_known known = ALLOWANCE_FRESH;
    bool knew = false;
    const char *id = ar_cstr(&w->a, sl_from(object, 2));
    int e = w->erase ? allowance_forget(w->core->allowance, id, w->p->address, &knew)
                     : allowance_knows(w->core->allowance, id, w->p->address, &known);
    if (e || (!knew && known == ALLOWANCE_FRESH)) return e;
    tally(w)->found++;
    tally(w)->erased += knew;
    return tell(w, &(struct person_found){.object = object});
}

#define ROWS(place_, from_, to_, key_, key_to_, how_, nested_)                                               \
    {                                                                                                        \
        .place = PERSON_##place_, .from = from_, .to = to_, .key = key_, .key_to = key_to_, .how = how_,     \
        .nested = nested_                                                                                    \
    }
/* What leads to a row goes before what it says. */
static const struct spec specs[] = {
    {.place = PERSON_SUPPRESSION, .from = "x:", .to = "x;", .whole = look_suppressed},
    ROWS(SUPPRESSION, "x:", "x;", "a/", "b", STARS, "e"),
    ROWS(TRACE, "t:", "t;", "a/", "b", DELETE, NULL),
    ROWS(TRACE, "t:", "t;", "e/", "f", STARS, NULL),
    ROWS(TRACE, "t:", "t;", "m/", "n", DELETE, NULL),
    ROWS(EVENTS, "v:", "v;", "", "", STARS, NULL),
    {.place = PERSON_SENDS, .from = "s:", .to = "s;", .whole = look_send},
    {.place = PERSON_WRITTEN_TO, .from = "n:", .to = "n;", .whole = look_written_to},
    ROWS(GUARD, "_guard", "_guard!", "a/", "b", DELETE, NULL),
    ROWS(BLOCKS, "_guard", "_guard!", "h/", "i", TELL, NULL),
    ROWS(GUARD, "_guard", "_guard!", "k/", "l", DELETE, NULL),
    ROWS(HINTS, "_shared", "_shared!", "o/", "p", DELETE, NULL),
    ROWS(HINTS, "u:", "u;", "o/", "p", DELETE, NULL),
    ROWS(SHARED, "u:", "u;", "c/", "d", REVOKE, NULL),
    ROWS(KEYS, "_keys", "_keys!", "k/", "l", STARS, NULL),
    ROWS(INBOUND, "_sends", "_sends!", "b/", "c", TELL, NULL),
    ROWS(QUEUE, "q:", "q;", "e", "s", TELL, NULL),
    ROWS(DIRECTORY, "d:", "d;", ".", "b", TELL, "p"),
    ROWS(DIRECTORY, "d:", "d;", "l:", "n", TELL, NULL),
    ROWS(SOURCES, "_source", "_source!", "u/", "v", TELL, NULL),
    ROWS(ALERTS, "_alert", "_alert!", "", "", TELL, NULL),
    ROWS(REPORTS, "r:in:", "r:in;", "h/", "i", TELL, NULL),
    ROWS(REPORTS, "rt:in:", "rt:in;", "h/", "i", TELL, NULL),
    ROWS(AUDIT, "_audit", "_audit!", "", "", TELL, NULL),
};

static int walk_object(void *arg, struct slice object)
{
    struct walk *w = arg;
    ar_reset(&w->a);
    int e = w->spec->whole ? w->spec->whole(w, object) : look_rows(w, object);
    if (!err_is_damage(e)) return e;
    log_warn("person", "%.*s cannot be read to its end: %s", SLF(object), err_text(e));
    tally(w)->damaged++; /* the others are looked at all the same */
    return 0;
}

static int walk_objects(struct walk *w, const struct spec *spec)
{
    w->spec = spec;
    return kv_each_object(w->core->store->kv, sl_cstr(spec->from), sl_cstr(spec->to), walk_object, w);
}

static int nothing(struct kv_tx *tx, void *arg)
{
    (void)tx, (void)arg;
    return 0;
}

static int walk(struct walk *w)
{
    *w->out = (struct person_report){0};
    int e = kv_transact(w->core->store->kv, SL("_store"), nothing, NULL); /* notes that wait come with it */
    for (size_t i = 0; !e && i < COUNT_OF(specs); i++) e = walk_objects(w, &specs[i]);
    ar_free(&w->a);
    return e;
}

int person_each(struct core *core, const struct person *p, person_found_fn *each, void *arg,
                struct person_report *out)
{
    return walk(&(struct walk){.core = core, .p = p, .each = each, .arg = arg, .out = out});
}

int person_erase(struct core *core, const struct person *p, struct person_report *out)
{
    return walk(&(struct walk){.core = core, .p = p, .erase = true, .out = out});
}

/* ---- an account's own sends ---- */

struct ending {
    struct core *core;
    const struct person *p;
    uint64_t *gone, *left;
};

static int end_send(void *arg, struct slice object)
{
    struct ending *x = arg;
    struct arena a = {0};
    struct letter_id id;
    struct slice account;
    bool over = false;
    int e = send_of(object, &id) ? send_owner(x->core->sends, &id, &a, &account, &over) : ERR_NOT_FOUND;
    if (!e && sl_eq(account, x->p->id)) {
        if (over) e = send_forget(x->core->sends, &id);
        else e = send_act(x->core->sends, &id, SEND_CANCEL, SL("its account is erased"));
        *x->gone += !e && over;
        *x->left += !over;
    }
    ar_free(&a);
    return e == ERR_NOT_FOUND || e == ERR_STATE || err_is_damage(e) ? 0 : e;
}

int person_end_sends(struct core *core, const struct person *p, uint64_t *gone, uint64_t *left)
{
    struct ending x = {core, p, gone, left};
    *gone = *left = 0;
    return kv_each_object(core->store->kv, SL("s:"), SL("s;"), end_send, &x);
}
