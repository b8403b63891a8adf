/* import_mbox.c - an mbox file, or a folder of them: A.mbox or A is the mailbox A, a folder A or A.sbd has
 * what is below it. */
#include "mail/mbox.h"

#include <stdlib.h>

#include "port_i.h"

enum { HEAD_FIRST = 16 * 1024, WINDOW = MBOX_HEAD_MAX };

/* ---- a file ---- */

struct mbox_file {
    struct porting *p;
    const char *path;
    uint64_t size;
    struct buf window; /* bytes of the file from `from` on */
    uint64_t from;
    uint64_t done_before; /* of all files, before this one */
};

/* Bytes from `at` on: `least` of them, or all there are. Valid until the next call. */
static int look_at(struct mbox_file *x, uint64_t at, size_t least, struct slice *out)
{
    struct port_files *f = x->p->files;
    bool inside = at >= x->from && at <= x->from + x->window.n;
    *out = inside ? sl_from(buf_slice(&x->window), (size_t)(at - x->from)) : SL("");
    if (out->n >= least || (inside && x->from + x->window.n >= x->size)) return 0;
    buf_clear(&x->window);
    x->from = at;
    int e = f->read(f, x->path, at, WINDOW, &x->window);
    if (e) return e;
    if (x->window.n < WINDOW) x->size = at + x->window.n; /* it may have been cut meanwhile */
    *out = buf_slice(&x->window);
    return 0;
}

/* ---- a message ---- */

struct mbox_in {
    struct incoming in;
    struct mbox_file *x;
    struct slice head; /* what is in front of the bytes of the file; empty for ours */
    uint64_t from, to; /* the rest, in the file */
    bool ours, as_is, quoted;
    uint64_t size; /* ours: of the message */
    bool head_done;
    uint64_t at, given;
    struct mbox_text text;
};

static int begin_message(struct incoming *in)
{
    struct mbox_in *m = CONTAINER_OF(in, struct mbox_in, in);
    m->head_done = false;
    m->at = m->from;
    m->given = 0;
    m->text = (struct mbox_text){.unquote = m->quoted, .to_crlf = !m->as_is};
    return 0;
}

static void give_head(struct mbox_in *m, struct buf *out)
{
    struct mbox_text t = {.to_crlf = true};
    mbox_text_next(&t, m->head, out);
    mbox_text_end(&t, out);
    m->head_done = true;
}

static int next_of_message(struct incoming *in, struct buf *out)
{
    enum { PIECE = 64 * 1024 };
    struct mbox_in *m = CONTAINER_OF(in, struct mbox_in, in);
    struct slice bytes;
    if (!m->head_done) give_head(m, out);
    if (m->at == m->to) return out->n ? 1 : 0;
    int e = look_at(m->x, m->at, 1, &bytes);
    if (e) return e;
    if (!bytes.n) return err_set(ERR_IO, "the file became shorter while it was read");
    bytes = sl_sub(bytes, 0, PIECE);
    if (bytes.n > m->to - m->at) bytes.n = (size_t)(m->to - m->at);
    mbox_text_next(&m->text, bytes, out);
    m->at += bytes.n;
    if (m->at == m->to) mbox_text_end(&m->text, out);
    if (m->ours && m->given + out->n > m->size) out->n = (size_t)(m->size - m->given);
    m->given += out->n;
    if (m->ours && m->at == m->to && m->given < m->size)
        return err_set(ERR_CORRUPT, "it has %llu bytes of %llu", (unsigned long long)m->given,
                       (unsigned long long)m->size);
    return 1;
}

/* ---- where things are ---- */

/* Up to and with the empty line; all of it when there is none. */
static size_t head_in(struct slice s, bool *whole)
{
    *whole = true;
    for (size_t i = 0; i < s.n; i++) {
        size_t lf = sl_chr(sl_from(s, i), '\n');
        if (lf == SL_NONE) break;
        if (lf == 0 || (lf == 1 && s.p[i] == '\r')) return i + lf + 1;
        i += lf;
    }
    *whole = false;
    return s.n;
}

/* The header section at `at`, in the arena. What is longer than any is cut at the end of a line. */
static int read_head(struct mbox_file *x, uint64_t at, struct arena *a, struct slice *out)
{
    struct slice have;
    bool whole = false;
    for (size_t least = HEAD_FIRST;; least = MBOX_HEAD_MAX) {
        int e = look_at(x, at, least, &have);
        if (e) return e;
        have = sl_sub(have, 0, MBOX_HEAD_MAX);
        size_t n = head_in(have, &whole), lf = sl_rchr(have, '\n');
        *out = sl_sub(have, 0, whole || lf == SL_NONE ? n : lf + 1);
        if (whole || least == MBOX_HEAD_MAX) break;
    }
    *out = ar_dup(a, *out);
    return 0;
}

/* Does a message begin there, or does the file end, perhaps behind an empty line? */
static int is_border(struct mbox_file *x, uint64_t at, bool *yes)
{
    struct slice s, line;
    struct mail_date date;
    bool dated;
    int e = look_at(x, at, MBOX_FROM_MAX + 2, &s);
    if (e) return e;
    if (sl_starts(s, SL("\r\n"))) s = sl_from(s, 2);
    else if (sl_starts(s, SL("\n"))) s = sl_from(s, 1);
    line = sl_sub(s, 0, sl_chr(s, '\n'));
    *yes = !s.n || mbox_from_line(line, &date, &dated);
    return 0;
}

static int find_end(struct mbox_file *x, uint64_t from, struct mbox_end *end)
{
    struct slice s;
    *end = (struct mbox_end){.empty = true};
    do {
        int e = look_at(x, from + end->at, 1, &s);
        if (e) return e;
        fiber_breathe();
    } while (s.n && !mbox_end_next(end, s));
    mbox_end_last(end);
    return 0;
}

/* Are there lines "From " in it that have no '>' in front? */
static int has_from(struct mbox_file *x, uint64_t from, uint64_t to, bool *yes)
{
    static const char word[] = "From ";
    struct slice s;
    size_t match = 0;
    *yes = false;
    for (uint64_t at = from; at < to && !*yes; at += s.n) {
        int e = look_at(x, at, 1, &s);
        if (e || !s.n) return e;
        if (s.n > to - at) s.n = (size_t)(to - at);
        for (size_t i = 0; i < s.n && !*yes; i++) {
            if (match < 5) match = s.p[i] == word[match] ? match + 1 : 6;
            *yes = match == 5;
            if (s.p[i] == '\n') match = 0;
        }
        fiber_breathe();
    }
    return 0;
}

/* Sets where the bytes lie and how; *next: where the next message begins. */
static int find_text(struct mbox_in *m, uint64_t body, const struct mbox_head *h, uint64_t *next)
{
    struct mbox_file *x = m->x;
    struct mbox_end end;
    bool border = false, bare = false;
    int e = 0;
    m->from = body;
    m->quoted = true;
    if (!h->ours && h->has_length && body + h->length <= x->size) e = is_border(x, body + h->length, &border);
    if (!e &&
        border) { /* mboxcl: the length is right. Bare lines "From " say that none is quoted (mboxcl2) */
        m->to = body + h->length;
        e = has_from(x, m->from, m->to, &bare);
        m->quoted = !bare;
        body = m->to;
    }
    if (!e) e = find_end(x, body, &end);
    if (e) return e;
    if (!border) m->to = body + end.text;
    *next = body + end.found;
    return 0;
}

/* ---- one after the other ---- */

static void take_head(struct mbox_in *m, const struct mbox_head *h, const struct mail_date *date, bool dated)
{
    m->in.marks = h->marks;
    m->ours = h->ours;
    m->as_is = h->as_is;
    m->size = h->size;
    m->in.date = dated ? date->seconds : h->dated ? h->date.seconds : 0;
    m->in.zone = h->ours ? h->zone : dated ? date->zone : h->dated ? h->date.zone : 0;
}

/* The message whose From line is at *at; then *at is where the next one begins. */
static int import_one(struct mbox_file *x, struct landing *l, uint64_t *at)
{
    struct arena a;
    struct slice line, head;
    struct mail_date date = {0};
    struct mbox_head h;
    bool dated;
    struct mbox_in m = {.in = {.begin = begin_message, .next = next_of_message}, .x = x};
    ar_init(&a, 0);
    m.in.what = ar_printf(&a, "%s, the message at byte %llu", x->path, (unsigned long long)*at);
    int e = look_at(x, *at, MBOX_FROM_MAX + 2, &line);
    if (e) goto out;
    size_t lf = sl_chr(line, '\n');
    mbox_from_line(sl_sub(line, 0, lf), &date, &dated);
    uint64_t head_at = *at + (lf == SL_NONE ? line.n : lf + 1);
    e = read_head(x, head_at, &a, &head);
    if (e) goto out;
    mbox_head_parse(&a, head, &h);
    take_head(&m, &h, &date, dated);
    uint64_t body = head_at + head.n, next = body;
    if (!e) e = find_text(&m, body, &h, &next);
    if (e) goto out;
    if (m.ours) m.from = head_at + (head.n - h.text.n); /* all of it, to the byte */
    else m.head = h.text;
    if (m.to < m.from) m.to = m.from;
    m.head_done = m.ours;
    if (!h.pseudo) e = landing_take(l, &m.in);
    *at = next;
out:
    ar_free(&a);
    return e;
}

static int import_messages(struct mbox_file *x, struct landing *l)
{
    struct slice line;
    struct mail_date date;
    bool dated;
    uint64_t at = 0;
    int e = look_at(x, 0, MBOX_FROM_MAX + 2, &line);
    if (!e && x->size && !mbox_from_line(sl_sub(line, 0, sl_chr(line, '\n')), &date, &dated))
        return port_failed(x->p, err_set(ERR_SYNTAX, "it is no mbox file: it does not begin with \"From \""),
                           sl_cstr(x->path));
    while (!e && at < x->size) {
        e = import_one(x, l, &at);
        x->p->progress.done = x->done_before + at;
        if (!e) e = port_progressed(x->p);
    }
    return e;
}

static int import_file(struct porting *p, const char *path, struct slice name)
{
    struct mbox_file x = {.p = p, .path = path, .done_before = p->progress.done};
    struct landing *l;
    struct path_info info;
    int e = p->files->info(p->files, path, &info);
    if (e) return port_failed(p, e, sl_cstr(path));
    x.size = info.size;
    e = landing_begin(&l, p, name);
    if (e) e = port_failed(p, e, sl_cstr(path));
    else e = landing_end(&l, import_messages(&x, l));
    p->progress.done = x.done_before + info.size;
    buf_free(&x.window);
    return e;
}

/* ---- a folder of them ---- */

struct walk {
    struct porting *p;
    bool counting;
    size_t depth;
};

static struct slice without(struct slice s, struct slice end)
{
    return s.n > end.n && sl_endsi(s, end) ? sl_sub(s, 0, s.n - end.n) : s;
}

/* Files that mail programs keep beside them. */
static bool is_passed_over(struct slice name)
{
    static const char *const ends[] = {".msf", ".dat", ".html", ".lock", ".part", ".sqlite"};
    bool passed = sl_starts(name, SL("."));
    for (size_t i = 0; i < COUNT_OF(ends); i++) passed |= sl_endsi(name, sl_cstr(ends[i]));
    return passed;
}

static int walk_folder(struct walk *w, const char *dir, struct slice above);

static int walk_name(struct walk *w, struct arena *a, const char *dir, struct slice above, const char *file)
{
    struct path_info info;
    struct slice name;
    const char *path = ar_cstr(a, ar_printf(a, "%s/%s", dir, file));
    if (is_passed_over(sl_cstr(file)) || w->p->files->info(w->p->files, path, &info)) return 0;
    if (w->counting && info.kind == PATH_FILE) w->p->progress.of += info.size;
    if (info.kind == PATH_OTHER || (w->counting && info.kind == PATH_FILE)) return 0;
    int e =
        port_name_decode(a, without(sl_cstr(file), info.kind == PATH_FILE ? SL(".mbox") : SL(".sbd")), &name);
    if (e) return w->counting ? 0 : port_failed(w->p, e, sl_cstr(path));
    if (above.n) name = ar_printf(a, "%.*s/%.*s", SLF(above), SLF(name));
    return info.kind == PATH_FILE ? import_file(w->p, path, name) : walk_folder(w, path, name);
}

static int walk_folder(struct walk *w, const char *dir, struct slice above)
{
    struct port_names names = {0};
    struct arena a;
    ar_init(&a, 0);
    int e = w->depth < PORT_DEPTH_MAX ? w->p->files->names(w->p->files, dir, &names) : 0;
    w->depth++;
    for (size_t i = 0; !e && i < names.n; i++) e = walk_name(w, &a, dir, above, names.v[i]);
    w->depth--;
    port_names_free(&names);
    ar_free(&a);
    return e == ERR_LIMIT && !w->counting ? port_failed(w->p, e, sl_cstr(dir)) : e;
}

int import_mbox(struct porting *p, const char *path)
{
    struct walk w = {.p = p, .counting = true};
    struct path_info info;
    int e = p->files->info(p->files, path, &info);
    if (e) return e;
    if (info.kind == PATH_FILE) {
        p->progress.of = info.size;
        return import_file(p, path, SL("INBOX"));
    }
    e = walk_folder(&w, path, SL(""));
    w.counting = false;
    return e ? e : walk_folder(&w, path, SL(""));
}
