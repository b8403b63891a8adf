/* fetch.c - FETCH (RFC 9051 section 6.4.5, 3501 6.4.5, 7162 for MODSEQ, 8474, 8514). */
#include <stdlib.h>

#include "base/text.h"
#include "imapd_i.h"
#include "mail/mime_imap.h"
#include "reader/reader.h"

enum { FLUSH_AT = 16 * 1024 };

#define KIND(x) (1u << IMAP_##x)
enum {
    OF_RECORD = 1u << IMAP_INTERNALDATE | 1u << IMAP_SIZE | 1u << IMAP_EMAILID | 1u << IMAP_THREADID |
                1u << IMAP_SAVEDATE,
    OF_FACTS = 1u << IMAP_INTERNALDATE | 1u << IMAP_SIZE | 1u << IMAP_SAVEDATE,
    OF_BYTES = 1u << IMAP_ENVELOPE | 1u << IMAP_BODY | 1u << IMAP_BODYSTRUCTURE | 1u << IMAP_SECTION |
               1u << IMAP_RFC822 | 1u << IMAP_RFC822_HEADER | 1u << IMAP_RFC822_TEXT | 1u << IMAP_BINARY |
               1u << IMAP_BINARY_SIZE | 1u << IMAP_PREVIEW | 1u << IMAP_ANNOTATION
};

struct fetch {
    struct imapd_session *s;
    struct imap_fetch args;
    struct imapd_picked picked;
    size_t k;                      /* the one at hand */
    struct imapd_threads *threads; /* found out ahead, or NULL */
    struct reader_records records;
    struct arena a;               /* of the message at hand */
    size_t i;                     /* its index in the view */
    const struct message *record; /* NULL: nobody needed it yet */
    struct imapd_facts facts;
    uint64_t thread;
    struct reader *reader; /* of it, or of what is shown in its place; NULL: nobody needed it yet */
    uint32_t *downgraded;  /* those of which surrogates were shown */
    size_t ndowngraded;
    struct reader_digests kept[READER_KINDS];
    bool first;   /* no item was written yet */
    bool started; /* part of the response is on its way: it cannot be taken back */
    bool lost;    /* and the rest cannot be read */
    bool missing;
    int failed;
};

static void item(struct fetch *f, const char *name)
{
    if (!f->first) buf_char(&f->s->out, ' ');
    f->first = false;
    buf_str(&f->s->out, name);
}

/* ---- small items ---- */

static void put_record_items(struct fetch *f, unsigned kinds, const struct message *m)
{
    struct buf *out = &f->s->out;
    if (kinds & KIND(INTERNALDATE)) {
        item(f, "INTERNALDATE ");
        imap_put_date_time(out, m->internal_date, m->internal_zone);
    }
    if (kinds & KIND(SIZE)) {
        item(f, "RFC822.SIZE ");
        buf_u64(out, m->size);
    }
    if (kinds & KIND(EMAILID)) {
        item(f, "EMAILID (");
        buf_str(out, m->email_id);
        buf_char(out, ')');
    }
    if (kinds & KIND(THREADID)) {
        item(f, "THREADID ");
        if (f->thread) buf_printf(out, "(T%llx)", (unsigned long long)f->thread);
        else buf_str(out, "NIL"); /* it went before anybody asked */
    }
    if (kinds & KIND(SAVEDATE)) {
        item(f, "SAVEDATE ");
        imap_put_date_time(out, m->save_date, 0);
    }
}

static void put_view_items(struct fetch *f, unsigned kinds)
{
    struct imapd_session *s = f->s;
    struct view_msg m = view_at(s->view, f->i);
    bool changed = view_changed(s->view, f->i);
    if (changed && s->notify) kinds |= KIND(UID); /* RFC 5465 section 5.1 */
    if (kinds & KIND(UID)) {
        item(f, "UID ");
        buf_u64(&s->out, m.uid);
        if (m.uid > s->told_uid) s->told_uid = m.uid;
    }
    /* \Seen that this very command sets is told as well. */
    if (kinds & KIND(FLAGS) || changed) {
        item(f, "FLAGS ");
        imapd_put_flags(s, f->i);
        if (changed && s->condstore) kinds |= KIND(MODSEQ);
        if (changed) imapd_put_annotated(s, f->i);
        view_told(s->view, f->i);
    }
    if (kinds & KIND(MODSEQ)) {
        item(f, "MODSEQ (");
        buf_printf(&s->out, "%llu)", (unsigned long long)m.modseq);
    }
}

/* ---- what was computed before ---- */

static const unsigned kept_kinds[READER_KINDS] = {
    [READER_HEAD] = KIND(SECTION),
    [READER_ENVELOPE] = KIND(ENVELOPE),
    [READER_STRUCTURE] = KIND(BODYSTRUCTURE),
    [READER_PREVIEW] = KIND(PREVIEW),
};

static bool is_kept(struct fetch *f, enum reader_digest_kind kind, struct slice *out)
{
    return reader_digest(&f->kept[kind], view_at(f->s->view, f->i).uid, out);
}

/* The message as it is. */
static int need_message(struct fetch *f)
{
    uint32_t uid = view_at(f->s->view, f->i).uid;
    int e = f->record ? 0 : reader_record(&f->records, uid, &f->record);
    return e ? e : imapd_reader(f->s, uid, f->record, &f->reader);
}

/* The message as it is shown: header fields in UTF-8 go to clients that enabled that (RFC 6855 section 8),
 * others get a surrogate (RFC 6858). */
static int need_shown(struct fetch *f, bool head)
{
    struct reader *surrogate = NULL;
    uint32_t uid = view_at(f->s->view, f->i).uid;
    int e = need_message(f);
    if (!e && !f->s->utf8)
        e = (head ? reader_head_surrogate : reader_surrogate)(f->reader, false, &surrogate);
    if (e || !surrogate) return e;
    f->reader = surrogate;
    if (!f->ndowngraded || f->downgraded[f->ndowngraded - 1] != uid) f->downgraded[f->ndowngraded++] = uid;
    return 0;
}

static int need_reader(struct fetch *f) { return need_shown(f, false); }
static int need_head(struct fetch *f) { return need_shown(f, true); }

/* What was computed is told of the message as it is. */
static bool shows(const struct fetch *f, struct slice kept) { return f->s->utf8 || is_ascii(kept); }

/* ---- items of the bytes ---- */

static int put_envelope(struct fetch *f)
{
    struct slice head, text;
    if (is_kept(f, READER_ENVELOPE, &text) && shows(f, text)) {
        item(f, "ENVELOPE ");
        buf_put(&f->s->out, text);
        return 0;
    }
    int e = need_head(f);
    if (!e) e = reader_head(f->reader, &f->a, &head);
    if (e) return e;
    item(f, "ENVELOPE ");
    mime_imap_envelope(&f->s->out, mime_parse(&f->a, head)->root->envelope);
    return 0;
}

/* A letter may take a hundred megabytes to describe: from here on the response is with the client. */
static void spill(struct buf *b, void *arg)
{
    struct fetch *f = arg;
    (void)b;
    f->started = true;
    imapd_flush(f->s);
    fiber_breathe();
}

static int put_structure(struct fetch *f, bool extended)
{
    struct slice text;
    if (extended && is_kept(f, READER_STRUCTURE, &text) && shows(f, text)) {
        item(f, "BODYSTRUCTURE ");
        buf_put(&f->s->out, text);
        return 0;
    }
    int e = need_reader(f);
    if (!e) e = reader_tree(f->reader);
    if (e) return e;
    item(f, extended ? "BODYSTRUCTURE " : "BODY ");
    f->s->out.spill = spill;
    f->s->out.spill_arg = f;
    mime_imap_structure(&f->s->out, f->reader->tree->root, extended);
    f->s->out.spill = NULL;
    return 0;
}

static int put_preview(struct fetch *f)
{
    struct slice text;
    bool known = is_kept(f, READER_PREVIEW, &text);
    int e = known ? 0 : need_message(f);
    if (!e && !known) e = reader_preview(f->reader, &f->a, &text);
    if (e) return e;
    item(f, "PREVIEW ");
    imap_put_string(&f->s->out, text, f->s->utf8);
    return 0;
}

static int put_annotation(struct fetch *f, const struct imap_fetch_item *it)
{
    size_t before = f->s->out.n;
    bool was = f->first, put = false;
    int e = f->record ? 0 : reader_record(&f->records, view_at(f->s->view, f->i).uid, &f->record);
    if (e) return e;
    item(f, "");
    e = imapd_put_annotations(f->s, f->record, it->annotation, &f->a, &put);
    if (put) return e;
    f->s->out.n = before;
    f->first = was;
    return e;
}

/* ---- sections ---- */

static int write_section(void *arg, struct slice piece)
{
    struct fetch *f = arg;
    imapd_hide_nuls((char *)piece.p, piece.n);
    imapd_write(f->s, piece);
    return conn_error(f->s->c);
}

static int stream_decoded(struct fetch *f, struct mime_range r)
{
    buf_printf(&f->s->out, "{%llu}\r\n", (unsigned long long)r.size);
    f->started = true;
    imapd_flush(f->s);
    int e = reader_span(f->reader, (struct reader_span){r.within, r.at, r.size}, write_section, f);
    return e < 0 ? e : 0;
}

/* From here on the response is with the client. */
static int stream(struct fetch *f, struct mime_range r)
{
    struct imapd_session *s = f->s;
    if (r.within) return stream_decoded(f, r);
    char *chunk = ar_alloc(&f->a, r.size < IMAPD_CHUNK ? r.size : IMAPD_CHUNK);
    int64_t got =
        r.size ? reader_read(f->reader, r.at, chunk, r.size < IMAPD_CHUNK ? r.size : IMAPD_CHUNK) : 0;
    if (got < 0) return (int)got;
    if (r.size && !got) return err_set(ERR_CORRUPT, "the message is shorter than it should be");
    imapd_hide_nuls(chunk, (size_t)got);
    buf_printf(&s->out, "{%llu}\r\n", (unsigned long long)r.size);
    buf_bytes(&s->out, chunk, (size_t)got);
    if ((uint64_t)got == r.size) return 0;
    f->started = true;
    imapd_flush(s);
    while (r.at += (uint64_t)got, r.size -= (uint64_t)got, r.size && !conn_error(s->c)) {
        got = reader_read(f->reader, r.at, chunk, r.size < IMAPD_CHUNK ? r.size : IMAPD_CHUNK);
        if (got <= 0)
            return got ? (int)got : err_set(ERR_CORRUPT, "the message is shorter than it should be");
        imapd_hide_nuls(chunk, (size_t)got);
        imapd_write(s, sl(chunk, (size_t)got));
        fiber_breathe();
    }
    return 0;
}

static int put_fields(struct fetch *f, const struct imap_fetch_item *it)
{
    struct slice fields;
    int e = imapd_section_fields(f->reader, it, &f->a, &fields);
    if (e) return e;
    imapd_hide_nuls((char *)fields.p, fields.n);
    buf_printf(&f->s->out, "{%zu}\r\n", fields.n);
    buf_put(&f->s->out, fields);
    return 0;
}

/* HEADER.FIELDS of what is kept of each header section. */
static bool put_kept_fields(struct fetch *f, const struct imap_fetch_item *it)
{
    struct buf b = BUF_INIT;
    struct slice head;
    if (!it->nfields || it->npath || it->text != IMAP_HEADER_FIELDS) return false;
    for (size_t i = 0; i < it->nfields; i++)
        if (!reader_digest_has(it->field[i])) return false;
    if (!is_kept(f, READER_HEAD, &head) || !shows(f, head)) return false;
    mime_imap_fields(&b, &f->a, head, it->field, it->nfields, false);
    struct mime_range part = imapd_section_cut((struct mime_range){.size = b.n}, it);
    imapd_hide_nuls(b.p, b.n);
    item(f, "");
    buf_put(&f->s->out, it->label);
    buf_printf(&f->s->out, " {%llu}\r\n", (unsigned long long)part.size);
    buf_put(&f->s->out, sl_sub(buf_slice(&b), part.at, part.at + part.size));
    buf_free(&b);
    return true;
}

static int put_section(struct fetch *f, const struct imap_fetch_item *it)
{
    struct mime_range where;
    if (put_kept_fields(f, it)) return 0;
    bool head = !it->npath && it->text != IMAP_WHOLE && it->text != IMAP_TEXT;
    int e = need_shown(f, head);
    if (!e) e = imapd_section_find(f->reader, it, &where);
    if (e && e != ERR_NOT_FOUND) return e;
    item(f, "");
    buf_put(&f->s->out, it->label);
    buf_char(&f->s->out, ' ');
    if (e) {
        buf_str(&f->s->out, "NIL");
        return 0;
    }
    return it->nfields ? put_fields(f, it) : stream(f, imapd_section_cut(where, it));
}

/* RFC822, RFC822.HEADER, RFC822.TEXT are sections under an older name. */
static int put_rfc822(struct fetch *f, enum imap_item kind)
{
    struct imap_fetch_item it = {
        .kind = kind,
        .text = kind == IMAP_RFC822          ? IMAP_WHOLE
                : kind == IMAP_RFC822_HEADER ? IMAP_HEADER
                                             : IMAP_TEXT,
        .label = kind == IMAP_RFC822          ? SL("RFC822")
                 : kind == IMAP_RFC822_HEADER ? SL("RFC822.HEADER")
                                              : SL("RFC822.TEXT"),
    };
    return put_section(f, &it);
}

static int write_piece(void *arg, struct slice piece)
{
    struct fetch *f = arg;
    imapd_write(f->s, piece);
    return conn_error(f->s->c);
}

/* RFC 3516: a part as it was before its transfer encoding; the whole message as it is. */
static int put_binary(struct fetch *f, const struct imap_fetch_item *it)
{
    struct imapd_session *s = f->s;
    int e = need_reader(f);
    if (e) return e;
    struct reader_decoded d = {.size = f->reader->m.size};
    const struct mime_part whole = {.encoding = MIME_BINARY, .body_size = d.size}, *p = &whole;
    if (it->npath) e = reader_tree(f->reader);
    if (e) return e;
    if (it->npath) p = mime_imap_part(f->reader->tree, it->path, it->npath);
    if (p && p->encoding == MIME_OTHER) return err_set(ERR_UNSUPPORTED, "the transfer encoding is not known");
    if (p && (it->npath || it->kind == IMAP_BINARY)) e = reader_decoded_size(f->reader, p, &d);
    if (e) return e;
    item(f, "");
    buf_put(&s->out, it->label);
    if (!p) {
        buf_str(&s->out, it->kind == IMAP_BINARY ? " NIL" : " 0");
        return 0;
    }
    struct mime_range part = imapd_section_cut((struct mime_range){.size = d.size}, it);
    buf_printf(&s->out,
               it->kind != IMAP_BINARY ? " %llu"
               : d.nul                 ? " ~{%llu}\r\n"
                                       : " {%llu}\r\n",
               (unsigned long long)part.size);
    if (it->kind != IMAP_BINARY) return 0;
    f->started = true;
    imapd_flush(s);
    e = reader_span(f->reader, (struct reader_span){p, part.at, part.size}, write_piece, f);
    return e < 0 ? e : 0;
}

static int put_byte_item(struct fetch *f, const struct imap_fetch_item *it)
{
    switch (it->kind) {
    case IMAP_ENVELOPE: return put_envelope(f);
    case IMAP_BODY: return put_structure(f, false);
    case IMAP_BODYSTRUCTURE: return put_structure(f, true);
    case IMAP_SECTION: return put_section(f, it);
    case IMAP_RFC822:
    case IMAP_RFC822_HEADER:
    case IMAP_RFC822_TEXT: return put_rfc822(f, it->kind);
    case IMAP_BINARY:
    case IMAP_BINARY_SIZE: return put_binary(f, it);
    case IMAP_PREVIEW: return put_preview(f);
    case IMAP_ANNOTATION: return put_annotation(f, it);
    default: return 0;
    }
}

/* ---- a message ---- */

/* Who asks for many has some found out at once. 0: not so. */
static uint64_t threads_ahead(struct fetch *f, uint32_t uid)
{
    uint64_t thread = imapd_threads_has(f->threads, uid);
    size_t done = f->k;
    if (thread || imapd_threads_next(f->s, f->picked.uid, f->picked.n, &done, f->threads)) return thread;
    return imapd_threads_has(f->threads, uid);
}

static int find_thread(struct fetch *f, uint32_t uid)
{
    f->thread = f->record->thread;
    if (!f->thread && f->threads) f->thread = threads_ahead(f, uid);
    if (f->thread) return 0;
    int e = imapd_reader(f->s, uid, f->record, &f->reader);
    if (!e) e = reader_thread(f->reader, &f->a, &f->thread);
    return e == ERR_NOT_FOUND ? 0 : e;
}

static int put_items(struct fetch *f, unsigned kinds)
{
    struct imapd_session *s = f->s;
    uint32_t uid = view_at(s->view, f->i).uid;
    int e = 0;
    const struct message *m = kinds & OF_RECORD & ~OF_FACTS ? NULL : imapd_fact(&f->facts, uid);
    f->record = NULL;
    f->reader = NULL;
    if (kinds & OF_RECORD && !m) e = reader_record(&f->records, uid, &f->record);
    if (!e && kinds & KIND(THREADID)) e = find_thread(f, uid);
    if (e) return e;
    imapd_put_fetch(s, f->i, false);
    f->first = true;
    put_view_items(f, kinds);
    if (kinds & OF_RECORD) put_record_items(f, kinds, m ? m : f->record);
    for (size_t k = 0; kinds & OF_BYTES && k < f->args.n && !e; k++) e = put_byte_item(f, &f->args.item[k]);
    if (!e && f->first) { /* no annotation that was asked for is there, and nothing else was */
        item(f, "FLAGS ");
        imapd_put_flags(s, f->i);
    }
    if (!e) buf_str(&s->out, ")\r\n");
    return e;
}

static void fetch_one(struct fetch *f, unsigned kinds)
{
    struct imapd_session *s = f->s;
    size_t before = s->out.n;
    bool changed = view_changed(s->view, f->i);
    f->started = false;
    int e = put_items(f, kinds);
    if (e && f->started) {
        /* The client waits for bytes that will not come: only the end of the connection is clear. */
        f->lost = true;
        conn_abort(s->c);
        return;
    }
    if (e) {
        s->out.n = before;
        if (changed) view_not_told(s->view, f->i); /* its flags were not told after all */
        if (e == ERR_NOT_FOUND) f->missing = true;
        else f->failed = e;
    }
    if (s->out.n >= FLUSH_AT) imapd_flush(s);
    ar_reset(&f->a);
}

static bool wanted(const struct fetch *f, size_t i)
{
    return !f->args.conditional || view_at(f->s->view, i).modseq > f->args.changed_since;
}

static void fetch_all(struct fetch *f, unsigned kinds)
{
    struct imapd_session *s = f->s;
    if (!f->picked.n) return;
    reader_records_begin(&f->records, s->server->conf.store, imapd_box(s), f->picked.uid[f->picked.n - 1]);
    ar_init(&f->a, 0);
    for (unsigned i = 0; i < READER_KINDS; i++)
        imapd_digests_begin(s, &f->kept[i], (enum reader_digest_kind)i,
                            kinds & kept_kinds[i] ? f->picked.n : 0);
    imapd_facts_begin(s, &f->facts, kinds & OF_FACTS ? f->picked.n : 0);
    if (kinds & KIND(THREADID) && f->picked.n > 1) f->threads = xcalloc(1, sizeof *f->threads);
    for (size_t k = 0; k < f->picked.n && !f->lost && !conn_error(s->c); k++) {
        f->k = k;
        f->i = f->picked.at[k];
        if (wanted(f, f->i)) fetch_one(f, kinds);
        if (kinds & (OF_RECORD | OF_BYTES)) fiber_breathe();
        else imapd_breathe(k);
    }
    imapd_flush(s);
    imapd_facts_end(&f->facts);
    for (unsigned i = 0; i < READER_KINDS; i++) reader_digests_end(&f->kept[i]);
    free(f->threads);
    ar_free(&f->a);
    reader_records_end(&f->records);
}

void imapd_fetch_picked(struct imapd_session *s, const struct imap_fetch *args, unsigned kinds,
                        const struct imapd_picked *picked, struct imapd_fetched *out)
{
    struct fetch f = {.s = s, .args = *args, .picked = *picked};
    if (kinds & OF_BYTES && !s->utf8) f.downgraded = ar_array(&s->a, uint32_t, picked->n);
    fetch_all(&f, kinds);
    *out = (struct imapd_fetched){f.failed, f.missing, f.downgraded, f.ndowngraded};
}
