/* facts.c - dates and sizes of messages, kept in memory (kept.c): SEARCH by them and lists of messages ask
 * for little else of the records, and reading a record takes longer than all the rest. */
#include <stdlib.h>

#include "imapd_i.h"
#include "reader/reader.h"

enum { FEW = 64, WORDS = 5 }; /* FEW: that came since; for more they are gathered anew */

/* ---- one message in WORDS numbers: 48 bits of each time and of the size, 16 of the zone ---- */

static int64_t of_48(uint32_t low, uint32_t high) { return (int64_t)((uint64_t)(int16_t)high << 32 | low); }

static void unpack(const uint32_t *v, struct message *out)
{
    out->internal_date = of_48(v[0], v[1] & 0xffff);
    out->internal_zone = (int16_t)(v[1] >> 16);
    out->size = (uint64_t)of_48(v[2], v[3] & 0xffff);
    out->save_date = of_48(v[4], v[3] >> 16);
}

static bool pack(const struct message *m, uint32_t *v)
{
    struct message same = {0};
    v[0] = (uint32_t)m->internal_date;
    v[1] = (uint32_t)((uint64_t)m->internal_date >> 32 & 0xffff) | (uint32_t)(uint16_t)m->internal_zone << 16;
    v[2] = (uint32_t)m->size;
    v[3] = (uint32_t)(m->size >> 32 & 0xffff) | (uint32_t)((uint64_t)m->save_date >> 32 & 0xffff) << 16;
    v[4] = (uint32_t)m->save_date;
    unpack(v, &same);
    return same.internal_date == m->internal_date && same.internal_zone == m->internal_zone &&
           same.size == m->size && same.save_date == m->save_date;
}

/* ---- gathering ---- */

/* What has no record that can be read is left out. */
static int add_all(struct imapd_session *s, struct imapd_kept *k)
{
    struct reader_records records;
    const struct view *v = s->view;
    const struct message *m;
    size_t n = k->n;
    int e = 0;
    k->n = 0;
    reader_records_begin(&records, s->server->conf.store, imapd_box(s), view_at(v, n - 1).uid);
    for (size_t i = 0; i < n && !e; i++) {
        uint32_t uid = view_at(v, i).uid;
        e = reader_record(&records, uid, &m);
        if (!e && pack(m, k->value + k->n * WORDS)) k->uid[k->n++] = uid;
        if (e == ERR_NOT_FOUND || err_is_damage(e)) e = 0;
        if (!e) e = conn_error(s->c);
        imapd_progress(s, i, n);
        fiber_breathe();
    }
    reader_records_end(&records);
    return e;
}

static struct imapd_kept *gather(struct imapd_session *s)
{
    struct imapd_kept *k = imapd_kept_new(s, (struct imapd_kept_key){IMAPD_KEPT_FACTS, 0}, s->told);
    k->nvalues = s->told * WORDS;
    k->value = xcalloc(k->nvalues, sizeof *k->value);
    if (add_all(s, k) == 0) imapd_kept_keep(s, k);
    else imapd_kept_put(s, &k);
    return k;
}

static size_t unknown(const struct imapd_session *s, const struct imapd_kept *k)
{
    size_t last = k->n ? view_rank(s->view, k->uid[k->n - 1]) + 1 : 0;
    return s->told > last ? s->told - last : 0;
}

/* ---- asking ---- */

void imapd_facts_begin(struct imapd_session *s, struct imapd_facts *x, size_t many)
{
    *x = (struct imapd_facts){.s = s};
    if (many < IMAPD_KEPT_LEAST) return;
    x->kept = imapd_kept_get(s, (struct imapd_kept_key){IMAPD_KEPT_FACTS, 0});
    if (x->kept && unknown(s, x->kept) <= FEW) return;
    if (many < s->told / 2) return;
    imapd_kept_put(s, &x->kept);
    x->kept = gather(s);
}

const struct message *imapd_fact(struct imapd_facts *x, uint32_t uid)
{
    const struct imapd_kept *k = x->kept;
    if (!k) return NULL;
    while (x->at < k->n && k->uid[x->at] < uid) x->at++;
    if (x->at == k->n || k->uid[x->at] != uid) return NULL;
    unpack(k->value + x->at * WORDS, &x->m);
    return &x->m;
}

void imapd_facts_end(struct imapd_facts *x) { imapd_kept_put(x->s, &x->kept); }
