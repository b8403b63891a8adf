/* match.c - the keys of SEARCH: their tree over every message, cheapest knowledge first (RFC 9051
 * section 6.4.4, 3501 6.4.4; 4731 ESEARCH, 5182 SEARCHRES, 5032 WITHIN, 7162, 8474, 8514).
 *
 * A key answers no, yes, or "not with what is known so far". What is known grows in steps:
 * the view, the stored record, folded fields, the header, the text. Most messages are decided early. */
#include "base/text.h"
#include "imapd_i.h"
#include "mail/charset.h"
#include "mail/date.h"
#include "mail/head.h"
#include "reader/reader.h"
#include "store/remark.h"

enum { DAY = 86400, NEEDLES_MAX = 200, WORDS_MAX = 20 };
enum answer { NO, YES, MAYBE };
enum { KNOW_VIEW, KNOW_RECORD, KNOW_FOLDED, KNOW_HEADER, KNOW_TEXT };

struct search {
    struct imapd_session *s;
    struct reader_needle *needle;
    size_t nneedles;
    struct arena a; /* of the message at hand */
    int64_t now;
    int know;
    size_t i; /* its index in the view */
    struct view_msg m;
    struct reader_records *records;
    const struct message *record; /* NULL: not read yet */
    struct imapd_facts facts;
    const struct message *fact; /* NULL: not known */
    struct slice head;
    bool threads;   /* a key asks for them, and each message has to be looked into */
    bool by_record; /* a key asks for what stands in records */
    bool by_remark; /* a key asks for annotations */
    struct remark *remark;
    size_t nremarks; /* of the message at hand */
    bool by_id;      /* a key asks for EMAILID or thread, and each record has to be read */
    bool beyond;     /* a key asks for a field that is not in `heads` */
    bool by_folded;  /* a key asks for a field that is kept folded (READER_FOLDED) */
    struct reader_digests heads, folds;
    struct slice folded; /* p NULL: not known */
    uint64_t thread;
    int64_t sent; /* day of the Date field, as written; -1 = none */
    bool sent_known;
    bool ranked;   /* it is asked how well each matches */
    uint8_t score; /* the message at hand */
    size_t unread; /* messages that cannot be read */
    struct imapd_narrow *narrow;
    struct imapd_ids ids;
};

/* ---- preparing ---- */

/* Is that kept folded, as the default comparator does? */
static bool in_folded(const struct search *x, const struct imap_search *k)
{
    return x->s->comparator.how == COLLATION_UNICODE_CASEMAP &&
           (k->key == IMAP_KEY_HEADER || k->key == IMAP_KEY_ADDRESS) &&
           reader_folded_has(k->field, k->key == IMAP_KEY_ADDRESS);
}

/* What is looked for in texts, all of it in one pass. */
static int prepare_needle(struct search *x, struct imap_search *k)
{
    bool fields = k->key == IMAP_KEY_HEADER || k->key == IMAP_KEY_ADDRESS;
    /* the index is folded as the default comparator does */
    bool narrows = x->s->comparator.how == COLLATION_UNICODE_CASEMAP;
    k->number = narrows ? imapd_narrow_add(x->narrow, fields, k->text) : 0;
    if (fields) return 0;
    if (x->nneedles == NEEDLES_MAX)
        return err_set(ERR_LIMIT, "more than %d texts to search for", NEEDLES_MAX);
    struct reader_needle *n = &x->needle[x->nneedles++];
    n->folded = k->text;
    n->head = k->key == IMAP_KEY_TEXT;
    k->mark = n;
    return 0;
}

/* In UTF-8, folded as the comparator does (RFC 5255 section 4.6). */
static struct slice fold_text(struct search *x, struct slice text, struct slice charset)
{
    return collation_fold_ar(&x->s->a, x->s->comparator.how, charset_to_utf8(&x->s->a, charset, text));
}

static int prepare_text(struct search *x, struct imap_search *k, struct slice charset)
{
    k->text = fold_text(x, k->text, charset);
    return prepare_needle(x, k);
}

/* The word without an English ending: who asks for "planning" means "plan" as well. */
static struct slice stem(struct slice word)
{
    static const struct slice endings[] = {SL_INIT("ing"), SL_INIT("ed"), SL_INIT("es"), SL_INIT("s")};
    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        size_t n = word.n - endings[i].n;
        if (word.n < endings[i].n + 4 || !sl_ends(word, endings[i])) continue;
        return sl_sub(word, 0, i < 2 && word.p[n - 1] == word.p[n - 2] ? n - 1 : n);
    }
    return word;
}

static bool in_word(char c) { return is_alnum(c) || (unsigned char)c >= 128; }

static int add_word(struct search *x, struct imap_search *all, struct imap_search **last, struct slice word)
{
    struct imap_search *w = ar_new(&x->s->a, struct imap_search);
    *w = *all->child;
    w->next = NULL;
    w->text = stem(word);
    *last = (*last)->next = w;
    return prepare_needle(x, w);
}

/* RFC 6203: the words count, wherever they stand. */
static int prepare_words(struct search *x, struct imap_search *k)
{
    struct imap_search *whole = ar_new(&x->s->a, struct imap_search), *last = whole, *next = k->next;
    struct slice text = k->text;
    size_t n = 0;
    int e = 0;
    *whole = *k;
    whole->next = NULL;
    *k = (struct imap_search){.key = IMAP_KEY_WORDS, .child = whole, .next = next};
    for (size_t i = 0; i < text.n && n < WORDS_MAX && !e; i++) {
        size_t from = i;
        while (i < text.n && in_word(text.p[i])) i++;
        if (i > from) e = add_word(x, k, &last, sl_sub(text, from, i));
        n += i > from;
    }
    return e;
}

static int prepare_id(struct search *x, struct imap_search *k)
{
    bool thread = k->key == IMAP_KEY_THREADID;
    struct imapd_by_id *found = NULL;
    k->number = 0;
    if (thread && sl_starts(k->text, SL("T")) && !num_hex64(sl_from(k->text, 1), &k->number)) k->number = 0;
    int e = x->s->told ? imapd_ids_find(&x->ids, k, &found) : 0;
    k->mark = found;
    x->by_id |= !found;
    x->threads |= !found && thread;
    return e;
}

static int prepare(struct search *x, struct imap_search *k, struct slice charset, bool fuzzy)
{
    struct imapd_session *s = x->s;
    int e = 0;
    for (; k && !e; k = k->next) {
        switch (k->key) {
        case IMAP_KEY_SEQ: imap_set_fix(&k->set, (uint32_t)s->told); break;
        case IMAP_KEY_UID:
            imap_set_fix(&k->set, s->told ? view_at(s->view, s->told - 1).uid : s->view->uidnext);
            break;
        case IMAP_KEY_HEADER:
        case IMAP_KEY_ADDRESS:
        case IMAP_KEY_BODY:
        case IMAP_KEY_TEXT:
            x->beyond |= k->key == IMAP_KEY_HEADER && !reader_digest_has(k->field);
            x->by_folded |= in_folded(x, k);
            e = prepare_text(x, k, charset);
            if (!e && fuzzy) e = prepare_words(x, k);
            continue;
        case IMAP_KEY_KEYWORD: { /* becomes a test of its bit */
            size_t at = 0;
            while (at < s->nkeywords && !sl_eqi(s->keyword[at], k->text)) at++;
            k->number = at < s->nkeywords ? (uint64_t)1 << (FLAG_KEYWORD_FIRST + at) : 0;
            break;
        }
        case IMAP_KEY_BEFORE:
        case IMAP_KEY_ON:
        case IMAP_KEY_SINCE:
        case IMAP_KEY_SAVEDBEFORE:
        case IMAP_KEY_SAVEDON:
        case IMAP_KEY_SAVEDSINCE:
        case IMAP_KEY_LARGER:
        case IMAP_KEY_SMALLER:
        case IMAP_KEY_OLDER:
        case IMAP_KEY_YOUNGER: x->by_record = true; break;
        case IMAP_KEY_ANNOTATION:
            x->by_remark = true;
            if (k->text.p) k->text = fold_text(x, k->text, charset);
            break;
        case IMAP_KEY_EMAILID:
        case IMAP_KEY_THREADID: e = prepare_id(x, k); break;
        default: break;
        }
        if (!e && k->child) e = prepare(x, k->child, charset, fuzzy || k->key == IMAP_KEY_FUZZY);
    }
    return e;
}

/* ---- one key ---- */

static enum answer is(bool b) { return b ? YES : NO; }

static enum answer by_day(enum imap_key key, enum imap_key before, int64_t at, int64_t day)
{
    int64_t d = at < 0 ? 0 : at - at % DAY;
    return is(key == before ? d < day : key == before + 1 ? d == day : d >= day);
}

static bool in_saved(const struct imapd_session *s, uint32_t uid)
{
    size_t from = 0, to = s->nsaved;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (s->saved[mid] < uid) from = mid + 1;
        else to = mid;
    }
    return from < s->nsaved && s->saved[from] == uid;
}

static enum answer view_key(const struct search *x, const struct imap_search *k)
{
    const struct view_msg *m = &x->m;
    switch (k->key) {
    case IMAP_KEY_ALL: return YES;
    case IMAP_KEY_SEQ:
        return is(k->set.saved ? in_saved(x->s, m->uid) : imap_set_has(&k->set, (uint32_t)x->i + 1));
    case IMAP_KEY_UID: return is(k->set.saved ? in_saved(x->s, m->uid) : imap_set_has(&k->set, m->uid));
    case IMAP_KEY_FLAG: return is(m->flags & k->flag);
    case IMAP_KEY_KEYWORD: return is(m->flags & k->number);
    case IMAP_KEY_RECENT: return is(imapd_recent_has(x->s, m->uid));
    case IMAP_KEY_OLD: return is(!imapd_recent_has(x->s, m->uid));
    case IMAP_KEY_NEW: return is(imapd_recent_has(x->s, m->uid) && !(m->flags & FLAG_SEEN));
    case IMAP_KEY_MODSEQ: return is(m->modseq >= k->number);
    case IMAP_KEY_EMAILID:
    case IMAP_KEY_THREADID: return k->mark && !m->gone ? is(imapd_by_id_has(k->mark, m->uid)) : MAYBE;
    default: return MAYBE;
    }
}

static enum answer record_key(struct search *x, const struct imap_search *k)
{
    const struct message *m = x->record ? x->record : x->fact;
    switch (k->key) {
    case IMAP_KEY_BEFORE:
    case IMAP_KEY_ON:
    case IMAP_KEY_SINCE:
        return by_day(k->key, IMAP_KEY_BEFORE, m->internal_date + m->internal_zone * 60, k->day);
    case IMAP_KEY_SAVEDBEFORE:
    case IMAP_KEY_SAVEDON:
    case IMAP_KEY_SAVEDSINCE: return by_day(k->key, IMAP_KEY_SAVEDBEFORE, m->save_date, k->day);
    case IMAP_KEY_LARGER: return is(m->size > k->number);
    case IMAP_KEY_SMALLER: return is(m->size < k->number);
    case IMAP_KEY_OLDER: return is(x->now - m->internal_date >= (int64_t)k->number);
    case IMAP_KEY_YOUNGER: return is(x->now - m->internal_date <= (int64_t)k->number);
    case IMAP_KEY_ANNOTATION:
        if (m != x->record) return MAYBE;
        return is(imapd_annotation_has(&x->a, x->s->comparator.how, x->remark, x->nremarks, k));
    case IMAP_KEY_THREADID: return m->thread ? is(m->thread == k->number) : MAYBE;
    case IMAP_KEY_EMAILID: return m == x->record ? is(sl_eq(k->text, sl_cstr(m->email_id))) : MAYBE;
    default: return MAYBE;
    }
}

/* "Disregarding time and timezone": the day as the Date field writes it. */
static void find_sent(struct search *x)
{
    struct mail_head h;
    struct mail_date d;
    bool found;
    x->sent_known = true;
    x->sent = -1;
    if (mail_head_parse(&x->a, x->head, &h) != 0 && !h.n) return;
    struct slice date = mail_head_get(&x->a, &h, SL("Date"), &found);
    if (found && mail_date_parse(date, &d) == 0) x->sent = d.seconds + (int64_t)d.zone * 60;
}

static enum answer header_key(struct search *x, const struct imap_search *k)
{
    switch (k->key) {
    case IMAP_KEY_HEADER:
        fiber_breathe(); /* there may be a thousand of them */
        return is(reader_head_holds(x->head, k->field, x->s->comparator.how, k->text));
    case IMAP_KEY_ADDRESS:
        fiber_breathe();
        return is(reader_head_addresses(x->head, k->field, x->s->comparator.how, k->text));
    case IMAP_KEY_SENTBEFORE:
    case IMAP_KEY_SENTON:
    case IMAP_KEY_SENTSINCE:
        if (!x->sent_known) find_sent(x);
        return x->sent < 0 ? NO : by_day(k->key, IMAP_KEY_SENTBEFORE, x->sent, k->day);
    case IMAP_KEY_THREADID: return is(x->thread && x->thread == k->number);
    default: return MAYBE;
    }
}

static enum answer folded_key(const struct search *x, const struct imap_search *k)
{
    return x->folded.p && in_folded(x, k) ? is(reader_folded_holds(x->folded, k->field, k->text)) : MAYBE;
}

static enum answer text_key(const struct imap_search *k)
{
    const struct reader_needle *n = k->mark;
    return is(n->in_body || (n->head && n->in_head));
}

/* Of a text: what the index says, which may be that nobody knows. */
static bool excluded(struct search *x, const struct imap_search *k)
{
    bool text = k->key == IMAP_KEY_HEADER || k->key == IMAP_KEY_ADDRESS || k->key == IMAP_KEY_BODY ||
                k->key == IMAP_KEY_TEXT;
    return text && imapd_narrow_excludes(x->narrow, k->number, x->m.uid);
}

static enum answer simple_key(struct search *x, const struct imap_search *k)
{
    enum answer r = view_key(x, k);
    if (r == MAYBE && excluded(x, k)) return NO;
    if (r == MAYBE && (x->record || x->fact)) r = record_key(x, k);
    if (r == MAYBE && x->know >= KNOW_FOLDED) r = folded_key(x, k);
    if (r == MAYBE && x->know >= KNOW_HEADER) r = header_key(x, k);
    if (r == MAYBE && x->know >= KNOW_TEXT) r = text_key(k);
    return r;
}

static enum answer ask(struct search *x, const struct imap_search *k);

struct words {
    size_t yes, maybe, n;
    enum answer whole;
};

static struct words count_words(struct search *x, const struct imap_search *k)
{
    struct words w = {.whole = ask(x, k->child)};
    for (const struct imap_search *c = k->child->next; c; c = c->next, w.n++) {
        enum answer r = ask(x, c);
        w.yes += r == YES;
        w.maybe += r == MAYBE;
    }
    return w;
}

/* The whole text, or at least half of its words. */
static enum answer ask_words(struct search *x, const struct imap_search *k)
{
    struct words w = count_words(x, k);
    if (w.whole == YES || (w.n && w.yes * 2 >= w.n)) return YES;
    if (w.whole == NO && (!w.n || (w.yes + w.maybe) * 2 < w.n)) return NO;
    return MAYBE;
}

/* Points out of 100 for each fuzzy text of the keys; everything about the message is known. */
static void add_scores(struct search *x, const struct imap_search *k, size_t *sum, size_t *n)
{
    for (; k; k = k->next) {
        if (k->key != IMAP_KEY_WORDS) {
            add_scores(x, k->child, sum, n);
            continue;
        }
        struct words w = count_words(x, k);
        *sum += w.whole == YES ? 100 : w.n ? 90 * w.yes / w.n : 0;
        ++*n;
    }
}

static uint8_t score(struct search *x, const struct imap_search *key)
{
    size_t sum = 0, n = 0;
    add_scores(x, key, &sum, &n);
    if (!n) return 100;
    return (uint8_t)(sum / n ? sum / n : 1);
}

static enum answer ask(struct search *x, const struct imap_search *k)
{
    if (k->key == IMAP_KEY_FUZZY) return ask(x, k->child);
    if (k->key == IMAP_KEY_WORDS) return ask_words(x, k);
    if (k->key == IMAP_KEY_NOT) {
        enum answer r = ask(x, k->child);
        return r == MAYBE ? MAYBE : is(r == NO);
    }
    if (k->key != IMAP_KEY_AND && k->key != IMAP_KEY_OR) return simple_key(x, k);
    enum answer decides = k->key == IMAP_KEY_AND ? NO : YES, all = is(decides == NO);
    for (const struct imap_search *c = k->child; c; c = c->next) {
        enum answer r = ask(x, c);
        if (r == decides) return r;
        if (r == MAYBE) all = MAYBE;
    }
    return all;
}

/* ---- one message ---- */

static bool head_is_kept(struct search *x)
{
    return !x->threads && !x->beyond && reader_digest(&x->heads, x->m.uid, &x->head);
}

static int know_record(struct search *x)
{
    return x->record ? 0 : reader_record(x->records, x->m.uid, &x->record);
}

static int know_remarks(struct search *x)
{
    x->nremarks = 0;
    if (!x->record->remarks.n) return 0;
    int e = remark_list(x->s->server->conf.store, imapd_box(x->s), x->m.uid, x->s->account, &x->a, &x->remark,
                        &x->nremarks);
    return e == ERR_NOT_FOUND ? 0 : e;
}

static int read_message(struct search *x)
{
    struct reader *rd;
    int e = imapd_reader(x->s, x->m.uid, x->record, &rd);
    if (!e && x->know == KNOW_HEADER) e = reader_head(rd, &x->a, &x->head);
    if (!e && x->know == KNOW_HEADER && x->threads) e = reader_thread(rd, &x->a, &x->thread);
    if (!e && x->know == KNOW_TEXT) e = reader_search(rd, x->s->comparator.how, x->needle, x->nneedles);
    return e;
}

/* Learns the next thing about the message. Where it cannot be read there is nothing in it. The record is half
 * of what a search for a kept field would cost: it is read for who asks for it, and for reading on. */
static int learn(struct search *x)
{
    x->know++;
    if (x->know == KNOW_RECORD) {
        x->fact = x->by_record ? imapd_fact(&x->facts, x->m.uid) : NULL;
        int e = (x->by_record && !x->fact) || x->by_id || x->by_remark || x->m.gone ? know_record(x) : 0;
        return e || !x->by_remark ? e : know_remarks(x);
    }
    if (x->know == KNOW_FOLDED) {
        if (!x->by_folded || !reader_digest(&x->folds, x->m.uid, &x->folded)) x->folded = (struct slice){0};
        return 0;
    }
    if (x->know == KNOW_HEADER && head_is_kept(x)) return 0;
    int e = know_record(x);
    if (e) return e;
    e = read_message(x);
    if (!imapd_unreadable(x->s, e, x->m.uid, &x->unread)) return e;
    if (x->know == KNOW_HEADER) x->head = SL(""), x->thread = 0;
    return 0;
}

/* 1: it matches, 0: not (or it is gone). */
static int judge(struct search *x, const struct imap_search *key, size_t i)
{
    enum answer r;
    int e = 0;
    x->i = i;
    x->m = view_at(x->s->view, i);
    x->know = KNOW_VIEW;
    x->record = x->fact = NULL;
    x->folded = (struct slice){0};
    x->sent_known = false;
    ar_reset(&x->a);
    while ((r = ask(x, key)) == MAYBE && x->know < KNOW_TEXT && !(e = learn(x))) {
    }
    if (r == YES && x->ranked) {
        while (!e && x->know < KNOW_TEXT) e = learn(x);
        if (!e) x->score = score(x, key);
    }
    if (e) return e == ERR_NOT_FOUND ? 0 : e;
    return r == YES;
}

static void keep_found(struct search *x, size_t i, struct imapd_found *out)
{
    if (out->score) out->score[out->n] = x->score;
    out->at[out->n++] = i;
}

static int search_all(struct search *x, const struct imap_search *key, struct imapd_found *out)
{
    struct imapd_session *s = x->s;
    struct reader_records records;
    int r = 0;
    size_t max = s->server->conf.messages_max, first = s->told > max ? s->told - max : 0;
    if (!s->told) return 0;
    if (first) out->cut = view_at(s->view, first).uid;
    x->records = &records;
    reader_records_begin(&records, s->server->conf.store, imapd_box(s), view_at(s->view, s->told - 1).uid);
    for (size_t i = first; i < s->told && r >= 0 && !conn_error(s->c); i++) {
        r = judge(x, key, i);
        if (r == 1) keep_found(x, i, out);
        imapd_progress(s, i - first, s->told - first);
        if (x->know == KNOW_VIEW || (x->know == KNOW_RECORD && x->fact)) imapd_breathe(i);
        else fiber_breathe();
    }
    reader_records_end(&records);
    return r < 0 ? r : 0;
}

/* Those of the view with a modseq above `since`, as far as the client knows of them. */
static int search_changed(struct search *x, const struct imap_search *key, uint64_t since,
                          struct imapd_found *out)
{
    struct imapd_session *s = x->s;
    struct reader_records records;
    int r = 0;
    if (!s->told) return 0;
    x->records = &records;
    reader_records_begin(&records, s->server->conf.store, imapd_box(s), view_at(s->view, s->told - 1).uid);
    for (size_t i = 0; i < s->told && r >= 0 && !conn_error(s->c); i++) {
        struct view_msg m = view_at(s->view, i);
        if (m.modseq > since && !m.gone) r = judge(x, key, i);
        if (m.modseq > since && !m.gone && r == 1) keep_found(x, i, out);
        fiber_breathe();
    }
    reader_records_end(&records);
    return r < 0 ? r : 0;
}

int imapd_search_run(struct imapd_session *s, struct imap_search_args *args, uint64_t since,
                     struct imapd_found *out)
{
    struct search x = {.s = s, .now = rt_wall_seconds(), .ranked = args->fuzzy};
    x.narrow = imapd_narrow_begin(s);
    x.needle = ar_array(&s->a, struct reader_needle, NEEDLES_MAX);
    *out = (struct imapd_found){.at = ar_array(&s->a, size_t, s->told)};
    if (x.ranked) out->score = ar_array(&s->a, uint8_t, s->told);
    ar_init(&x.a, 0);
    imapd_ids_begin(&x.ids, s, since);
    int e = prepare(&x, args->key, args->charset, false);
    size_t many = e || since ? 0 : s->told;
    imapd_digests_begin(s, &x.heads, READER_HEAD, many);
    imapd_digests_begin(s, &x.folds, READER_FOLDED, many);
    imapd_facts_begin(s, &x.facts, x.by_record && !x.threads ? many : 0);
    if (!e) e = since ? search_changed(&x, args->key, since, out) : search_all(&x, args->key, out);
    imapd_facts_end(&x.facts);
    reader_digests_end(&x.heads);
    reader_digests_end(&x.folds);
    imapd_ids_end(&x.ids);
    ar_free(&x.a);
    return e;
}
