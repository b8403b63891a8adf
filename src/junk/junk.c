/* junk.c - the corpora: rows of words, sums, letters that were learned. */
#include "junk.h"

#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "kv/record.h"
#include "words.h"

enum { VERSION = 1 };
static const char node[] = "node";

/* ---- rows ---- */

static struct slice object_of(const char *corpus, char room[KV_KEY_MAX])
{
    return sl(room, (size_t)snprintf(room, KV_KEY_MAX, "j:%s", corpus));
}

static struct slice key_of(char kind, uint64_t hash, char room[KV_KEY_MAX])
{
    return sl(room, (size_t)snprintf(room, KV_KEY_MAX, "%c/%016llx", kind, (unsigned long long)hash));
}

struct row {
    struct junk_counts counts;
    uint64_t age;          /* halvings of the corpus when it was written */
    uint64_t words, swept; /* of the sums: rows of words; the age for which all rows were looked at */
    struct slice at;       /* of the sums: the row that is looked at next, or empty */
};

/* A row that is damaged knows nothing: it is written anew. */
static void row_read(struct slice value, struct row *out)
{
    struct rec r;
    *out = (struct row){0};
    if (rec_open(&r, value, VERSION)) return;
    while (rec_next(&r)) switch (r.tag) {
        case 'j': out->counts.junk = rec_u64(&r); break;
        case 'g': out->counts.good = rec_u64(&r); break;
        case 'e': out->age = rec_u64(&r); break;
        case 'w': out->words = rec_u64(&r); break;
        case 's': out->swept = rec_u64(&r); break;
        case 'c': out->at = r.field; break;
        }
    if (rec_error(&r)) *out = (struct row){0};
}

static void row_put(struct kv_tx *tx, struct slice key, const struct row *row)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, VERSION);
    rec_opt_u64(&b, 'j', row->counts.junk);
    rec_opt_u64(&b, 'g', row->counts.good);
    rec_opt_u64(&b, 'e', row->age);
    rec_opt_u64(&b, 'w', row->words);
    rec_opt_u64(&b, 's', row->swept);
    rec_opt(&b, 'c', row->at);
    kv_tx_put_record(tx, key, &b);
    buf_free(&b);
}

/* What is left of it in a corpus of that age. */
static void fade(struct row *row, uint64_t age)
{
    uint64_t times = age > row->age ? age - row->age : 0;
    row->counts.junk = times < 64 ? row->counts.junk >> times : 0;
    row->counts.good = times < 64 ? row->counts.good >> times : 0;
    row->age = age;
}

static struct row row_of(struct kv_tx *tx, struct slice key, bool *there)
{
    struct slice value;
    struct row row = {0};
    *there = kv_tx_get(tx, key, &value) == 0;
    if (*there) row_read(value, &row);
    return row;
}

/* ---- learning ---- */

struct learning {
    const struct junk_words *words;
    uint64_t letter;
    bool junk;
    uint64_t most; /* letters: a corpus that has so many is halved */
    bool closed;   /* it learns no new one */
    uint64_t has;  /* out */
};

static void count(struct junk_counts *c, bool junk, int by)
{
    uint64_t *n = junk ? &c->junk : &c->good;
    if (by > 0 || *n) *n += (uint64_t)(int64_t)by;
}

static void change(struct kv_tx *tx, const struct learning *x, struct row *sums, bool junk, int by)
{
    char room[KV_KEY_MAX];
    bool there;
    count(&sums->counts, junk, by);
    for (size_t i = 0; i < x->words->n; i++) {
        struct slice key = key_of('w', x->words->v[i].hash, room);
        struct row row = row_of(tx, key, &there);
        fade(&row, sums->age);
        if (!there && (by < 0 || sums->words >= JUNK_ROWS_MAX)) continue;
        count(&row.counts, junk, by);
        sums->words += !there;
        row_put(tx, key, &row);
    }
}

/* ---- ageing ---- */

struct sweeping {
    struct kv_tx *tx;
    struct row *sums;
    char next[KV_KEY_MAX];
    size_t looked;
};

/* Words of which nothing is left, letters that were learned before the last halving but one. */
static int look_at_row(void *arg, struct slice key, struct slice value)
{
    struct sweeping *s = arg;
    struct row row;
    if (s->looked++ == JUNK_SWEPT) {
        snprintf(s->next, sizeof s->next, "%.*s", SLF(key));
        return 1;
    }
    row_read(value, &row);
    bool word = sl_starts(key, SL("w/"));
    bool gone = sl_starts(key, SL("l/")) && row.age + 1 < s->sums->age;
    fade(&row, s->sums->age);
    gone |= word && !row.counts.junk && !row.counts.good;
    if (gone) kv_tx_del(s->tx, key);
    if (gone && word && s->sums->words) s->sums->words--;
    return 0;
}

static int sweep(struct kv_tx *tx, struct sweeping *s)
{
    if (s->sums->swept >= s->sums->age) return 0;
    int e = kv_tx_scan(tx, s->sums->at.n ? s->sums->at : SL("l/"), SL("x"), look_at_row, s);
    s->sums->at = sl_cstr(s->next);
    if (e == 0) s->sums->swept = s->sums->age;
    return e > 0 ? 0 : e;
}

static void grow_older(struct row *sums)
{
    sums->age++;
    sums->counts.junk /= 2;
    sums->counts.good /= 2;
}

/* ---- a letter ---- */

/* The same letter a second time is nothing new; the other way round it is taken back first. */
static int learn_tx(struct kv_tx *tx, void *arg)
{
    struct learning *x = arg;
    char room[KV_KEY_MAX];
    bool there;
    struct row before = row_of(tx, key_of('l', x->letter, room), &there);
    struct row sums = row_of(tx, SL("n"), &(bool){false});
    struct sweeping s = {.tx = tx, .sums = &sums};
    char at[KV_KEY_MAX];
    bool was_junk = before.counts.junk != 0;
    snprintf(at, sizeof at, "%.*s", SLF(sums.at)); /* it lies in a row that is written */
    sums.at = sl_cstr(at);
    x->has = sums.counts.junk + sums.counts.good;
    if (there ? was_junk == x->junk : x->closed) return 0;
    if (x->has >= x->most) grow_older(&sums);
    if (there && before.age == sums.age) change(tx, x, &sums, was_junk, -1);
    change(tx, x, &sums, x->junk, 1);
    row_put(tx, key_of('l', x->letter, room), &(struct row){.counts = {x->junk, !x->junk}, .age = sums.age});
    int e = sweep(tx, &s);
    row_put(tx, SL("n"), &sums);
    return e;
}

int junk_learn(struct kv *kv, const char *account, const struct junk_letter *l, bool junk)
{
    ASSERT(kv && (!account || *account));
    struct arena a = {0};
    struct junk_words *words = ar_new(&a, struct junk_words);
    struct learning x = {
        .words = words, .letter = hash_stable(l->name, false), .junk = junk, .most = JUNK_LETTERS_MAX};
    char room[KV_KEY_MAX];
    junk_words(&a, l, words);
    int e = kv_transact(kv, object_of(account, room), learn_tx, &x);
    x.most = JUNK_NODE_LETTERS;
    x.closed = x.has >= JUNK_NODE_SHARE; /* what it knows of is changed in any case */
    if (!e) e = kv_transact(kv, object_of(node, room), learn_tx, &x);
    ar_free(&a);
    return e;
}

/* ---- judging ---- */

static int read_row(struct kv *kv, const char *corpus, struct slice key, struct row *out)
{
    struct arena a = {0};
    struct slice value;
    char room[KV_KEY_MAX];
    *out = (struct row){0};
    int e = kv_get(kv, object_of(corpus, room), key, &a, &value);
    if (!e) row_read(value, out);
    ar_free(&a);
    return e == ERR_NOT_FOUND ? 0 : e;
}

static void add(struct junk_counts *to, const struct row *row, uint64_t weight)
{
    to->junk += row->counts.junk * weight;
    to->good += row->counts.good * weight;
}

struct ages {
    uint64_t node, own;
};

static int both(struct kv *kv, const char *account, struct slice key, const struct ages *ages,
                struct junk_counts *out)
{
    struct row row;
    *out = (struct junk_counts){0};
    int e = read_row(kv, node, key, &row);
    if (!e) fade(&row, ages->node);
    if (!e) add(out, &row, 1);
    if (!e && account) e = read_row(kv, account, key, &row);
    if (!e && account) fade(&row, ages->own);
    if (!e && account) add(out, &row, JUNK_OWN);
    return e;
}

/* Letters that both have learned, and how old they are. */
static int sums(struct kv *kv, const char *account, struct ages *ages, struct junk_counts *out)
{
    struct row row;
    *ages = (struct ages){0};
    *out = (struct junk_counts){0};
    int e = read_row(kv, node, SL("n"), &row);
    if (!e) ages->node = row.age;
    if (!e) add(out, &row, 1);
    if (!e && account) e = read_row(kv, account, SL("n"), &row);
    if (!e && account) ages->own = row.age;
    if (!e && account) add(out, &row, JUNK_OWN);
    return e;
}

static bool is_enough(struct junk_counts c)
{
    return c.junk >= JUNK_LETTERS_LEAST && c.good >= JUNK_LETTERS_LEAST;
}

bool junk_known(struct kv *kv, const char *account)
{
    struct junk_counts letters;
    struct ages ages;
    return !sums(kv, account, &ages, &letters) && is_enough(letters);
}

static struct slice told(struct arena *a, const struct junk_words *w)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < w->n && i < JUNK_SHOWN && (w->v[i].says > 0.6 || w->v[i].says < 0.4); i++)
        buf_printf(&b, "%s%.*s %d", i ? ", " : "", SLF(printable(a, w->v[i].text, 60)),
                   (int)(w->v[i].says * 100));
    struct slice out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return out;
}

int junk_judge(struct kv *kv, const char *account, const struct junk_letter *l, struct arena *a,
               struct junk_verdict *out)
{
    ASSERT(kv && (!account || *account));
    struct arena scratch = {0};
    struct junk_words *w = ar_new(&scratch, struct junk_words);
    struct junk_counts letters, word;
    struct ages ages;
    char room[KV_KEY_MAX];
    *out = (struct junk_verdict){0};
    int e = sums(kv, account, &ages, &letters);
    out->known = !e && is_enough(letters);
    if (out->known) junk_words(&scratch, l, w);
    for (size_t i = 0; !e && i < w->n; i++) {
        e = both(kv, account, key_of('w', w->v[i].hash, room), &ages, &word);
        w->v[i].says = junk_says(word, letters);
    }
    if (!e && out->known) {
        out->score = (unsigned)(junk_together(w) * 100 + 0.5);
        out->words = told(a, w);
    }
    ar_free(&scratch);
    return e;
}
