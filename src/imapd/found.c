/* found.c - what a search found: told as SEARCH, SORT or ESEARCH (RFC 4731, 5267 section 3, 9394), kept as
 * "$" (RFC 5182). */
#include <stdlib.h>

#include "imapd_i.h"

uint32_t imapd_number(const struct imapd_session *s, size_t i)
{
    return s->uid ? view_at(s->view, i).uid : (uint32_t)i + 1;
}

static uint64_t highest_modseq(const struct imapd_session *s, const size_t *at, size_t n)
{
    uint64_t most = 0;
    for (size_t k = 0; k < n; k++, imapd_breathe(k)) {
        uint64_t modseq = view_at(s->view, at[k]).modseq;
        if (modseq > most) most = modseq;
    }
    return most;
}

void imapd_tell_found(struct imapd_session *s, const char *word, const struct imap_search_args *args,
                      const struct imapd_found *f)
{
    buf_printf(&s->out, "* %s", word);
    for (size_t k = 0; k < f->n; k++) {
        buf_char(&s->out, ' ');
        buf_u64(&s->out, imapd_number(s, f->at[k]));
        imapd_breathe(k);
    }
    if (args->modseq && f->n)
        buf_printf(&s->out, " (MODSEQ %llu)", (unsigned long long)highest_modseq(s, f->at, f->n));
    buf_str(&s->out, "\r\n");
    imapd_flush(s);
}

static void put_numbers(struct imapd_session *s, const size_t *at, size_t n)
{
    uint32_t *v = ar_array(&s->a, uint32_t, n);
    for (size_t k = 0; k < n; k++) v[k] = imapd_number(s, at[k]);
    imap_put_set(&s->out, v, n);
}

static void put_partial(struct imapd_session *s, const struct imap_partial *p, const struct imapd_found *f)
{
    size_t from, to;
    imap_partial_of(p, f->n, &from, &to);
    buf_printf(&s->out, " PARTIAL (%.*s ", SLF(p->label));
    if (from == to) buf_str(&s->out, "NIL");
    else put_numbers(s, f->at + from, to - from);
    buf_char(&s->out, ')');
}

/* RFC 6203 section 4: of the messages that PARTIAL tells, or of all. */
static void put_relevancy(struct imapd_session *s, const struct imap_search_args *args,
                          const struct imapd_found *f)
{
    size_t from = 0, to = f->n;
    if (args->wants & IMAP_RETURN_PARTIAL) imap_partial_of(&args->partial, f->n, &from, &to);
    if (from == to) return;
    for (size_t k = from; k < to; k++)
        buf_printf(&s->out, "%s%u", k == from ? " RELEVANCY (" : " ", f->score ? f->score[k] : 100);
    buf_char(&s->out, ')');
}

/* RFC 4731 section 3.2: with MIN or MAX alone, of the messages told. */
static void put_modseq(struct imapd_session *s, unsigned wants, const struct imapd_found *f)
{
    bool all = wants & (IMAP_RETURN_ALL | IMAP_RETURN_COUNT | IMAP_RETURN_PARTIAL);
    uint64_t first = highest_modseq(s, f->at, 1), last = highest_modseq(s, f->at + f->n - 1, 1);
    uint64_t told = wants & IMAP_RETURN_MIN ? first : 0;
    if (wants & IMAP_RETURN_MAX && last > told) told = last;
    if (all || !told) told = highest_modseq(s, f->at, f->n);
    buf_printf(&s->out, " MODSEQ %llu", (unsigned long long)told);
}

/* RFC 5182 section 2.1, 9394 section 3.2: with MIN, MAX or PARTIAL only what they tell is kept, in the order
 * of the mailbox. */
static int by_uid(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

void imapd_save_found(struct imapd_session *s, const struct imap_search_args *args,
                      const struct imapd_found *f)
{
    unsigned some = args->wants & (IMAP_RETURN_MIN | IMAP_RETURN_MAX | IMAP_RETURN_PARTIAL);
    bool all = !some || args->wants & (IMAP_RETURN_ALL | IMAP_RETURN_COUNT);
    size_t from = 0, to = 0;
    if (some & IMAP_RETURN_PARTIAL) imap_partial_of(&args->partial, f->n, &from, &to);
    free(s->saved);
    s->saved = xcalloc(f->n, sizeof *s->saved);
    s->nsaved = 0;
    for (size_t k = 0; k < f->n; k++) {
        bool kept = all || (k >= from && k < to) || (k == 0 && some & IMAP_RETURN_MIN) ||
                    (k == f->n - 1 && some & IMAP_RETURN_MAX);
        if (kept) s->saved[s->nsaved++] = view_at(s->view, f->at[k]).uid;
        imapd_breathe(k);
    }
    qsort(s->saved, s->nsaved, sizeof *s->saved, by_uid); /* a SORT has another order */
}

/* What args->wants of the messages found, behind the correlators. */
void imapd_put_results(struct imapd_session *s, const struct imap_search_args *args,
                       const struct imapd_found *f)
{
    if (f->n && args->wants & IMAP_RETURN_MIN) buf_printf(&s->out, " MIN %u", imapd_number(s, f->at[0]));
    if (f->n && args->wants & IMAP_RETURN_MAX)
        buf_printf(&s->out, " MAX %u", imapd_number(s, f->at[f->n - 1]));
    if (args->wants & IMAP_RETURN_COUNT) buf_printf(&s->out, " COUNT %zu", f->n);
    if (f->n && args->wants & IMAP_RETURN_ALL) {
        buf_str(&s->out, " ALL ");
        put_numbers(s, f->at, f->n);
    }
    if (args->wants & IMAP_RETURN_PARTIAL) put_partial(s, &args->partial, f);
    if (args->wants & IMAP_RETURN_RELEVANCY) put_relevancy(s, args, f);
    if (args->modseq && f->n) put_modseq(s, args->wants, f);
}

/* RFC 4731 section 3.1; MIN, MAX and ALL are left out when nothing was found. */
void imapd_tell_esearch(struct imapd_session *s, const struct imap_search_args *args,
                        const struct imapd_found *f)
{
    if (args->wants & IMAP_RETURN_SAVE) imapd_save_found(s, args, f);
    if (args->wants == IMAP_RETURN_SAVE) return;
    buf_str(&s->out, "* ESEARCH (TAG ");
    imap_put_string(&s->out, s->tag, false);
    buf_str(&s->out, s->uid ? ") UID" : ")");
    imapd_put_results(s, args, f);
    buf_str(&s->out, "\r\n");
    imapd_flush(s);
}

bool imapd_found_cut(struct imapd_session *s, const struct imapd_found *f)
{
    if (f->cut)
        imapd_no(s, ar_cstr(&s->a, ar_printf(&s->a, "MESSAGELIMIT %u", s->server->conf.messages_max)),
                 "the mailbox has more messages than one command may put in order");
    return f->cut;
}

void imapd_searched(struct imapd_session *s, const struct imapd_found *f, const char *what)
{
    if (f->cut) imapd_ok(s, imapd_limit_code(s, f->cut), "%s as many as one command may", what);
    else imapd_ok(s, s->view->ngone ? "EXPUNGEISSUED" : NULL, "%s", what); /* RFC 5530 */
}
