/* export_maildir.c - mailboxes as a Maildir++: INBOX at the root, A/B as .A.B, keywords and subscriptions as
 * Dovecot keeps them. */
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "mail/maildir.h"
#include "mail/mbox.h"
#include "port_i.h"

enum { FOLDER_NAME_MAX = 200 };

struct maildir_sink {
    struct port_sink s;
    const char *root;
    struct arena a; /* of the mailbox at hand */
    struct mailbox box;
    const char *dir;
    uint32_t *there; /* uids that were exported before, sorted */
    size_t nthere, size;
    int letter[MAILBOX_KEYWORDS_MAX]; /* of each keyword, or -1 */
    bool few_letters;                 /* that was said */
};

static struct maildir_sink *sink_of(struct port_sink *s) { return CONTAINER_OF(s, struct maildir_sink, s); }

/* ---- what is there ---- */

static void take_there(struct maildir_sink *x, const char *name)
{
    struct maildir_name n;
    if (!maildir_name_parse(sl_cstr(name + 4), &n) || n.validity != x->box.uidvalidity || !n.uid) return;
    if (x->nthere == x->size) {
        x->size = x->size ? 2 * x->size : 1024;
        x->there = xrealloc(x->there, x->size * sizeof *x->there);
    }
    x->there[x->nthere++] = n.uid;
}

static int compare_uids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static int look(struct maildir_sink *x)
{
    struct port_files *f = x->s.p->files;
    struct port_names names = {0};
    char *last = NULL;
    int e = 0;
    for (bool more = true; !e && more; port_names_free(&names)) {
        e = f->pick(f, x->dir, last, &names);
        for (size_t i = 0; !e && i < names.n; i++) take_there(x, names.v[i]);
        more = names.more && names.n;
        free(last);
        last = names.n ? xstrndup(names.v[names.n - 1], strlen(names.v[names.n - 1])) : NULL;
    }
    free(last);
    if (x->nthere) qsort(x->there, x->nthere, sizeof *x->there, compare_uids);
    return e;
}

static int make_and_look(struct maildir_sink *x)
{
    static const char *const subs[] = {"", "/cur", "/new", "/tmp"};
    struct port_files *f = x->s.p->files;
    int e = 0;
    for (size_t i = 0; !e && i < COUNT_OF(subs); i++)
        e = f->folder(f, ar_cstr(&x->a, ar_printf(&x->a, "%s%s", x->dir, subs[i])));
    return e ? e : look(x);
}

static bool has(struct port_sink *s, const struct message *m)
{
    struct maildir_sink *x = sink_of(s);
    return x->nthere && bsearch(&m->uid, x->there, x->nthere, sizeof *x->there, compare_uids);
}

/* ---- a mailbox ---- */

/* A/B as ".A.B"; a name that no file may have is cut. */
static int folder_name(struct maildir_sink *x, struct slice name, struct buf *out)
{
    struct slice part, rest = name;
    while (sl_next(&rest, '/', &part)) {
        buf_char(out, '.');
        port_name_encode(out, part);
    }
    if (out->n <= FOLDER_NAME_MAX) return 0;
    out->n = FOLDER_NAME_MAX;
    buf_printf(out, "~%016llx", (unsigned long long)hash_stable(name, false));
    return port_problem(x->s.p, "%.*s: the name is too long for a Maildir, its folder is %.*s", SLF(name),
                        SLF(buf_slice(out)));
}

/* Keywords get letters in the order of dovecot-keywords, which may be there. */
static int give_letters(struct maildir_sink *x)
{
    struct buf b = BUF_INIT, out = BUF_INIT;
    struct slice line, name, known[MAILDIR_LETTERS] = {0};
    unsigned at, used = 0;
    const char *path = ar_cstr(&x->a, ar_printf(&x->a, "%s/dovecot-keywords", x->dir));
    if (port_read_small(x->s.p, path, &b) == 0) {
        struct slice rest = buf_slice(&b);
        while (sl_next(&rest, '\n', &line))
            if (maildir_keyword(line, &at, &name)) known[at] = name;
    }
    for (size_t i = 0; i < x->box.nkeywords; i++) {
        x->letter[i] = -1;
        for (at = 0; at < MAILDIR_LETTERS && known[at].n && !sl_eqi(known[at], x->box.keyword[i]);) at++;
        if (at == MAILDIR_LETTERS) continue;
        known[at] = x->box.keyword[i];
        x->letter[i] = (int)at;
    }
    for (at = 0; at < MAILDIR_LETTERS; at++)
        if (known[at].n) buf_printf(&out, "%u %.*s\n", at, SLF(known[at])), used++;
    struct port_files *f = x->s.p->files;
    int e = used ? f->put(f, path, buf_slice(&out)) : 0;
    buf_free(&b);
    buf_free(&out);
    return e;
}

static int begin(struct port_sink *s, const struct mailbox *box)
{
    struct maildir_sink *x = sink_of(s);
    struct buf name = BUF_INIT;
    ar_reset(&x->a);
    x->box = *box;
    x->nthere = 0;
    x->few_letters = false;
    bool inbox = sl_eq(box->name, SL("INBOX"));
    int e = inbox ? 0 : folder_name(x, box->name, &name);
    x->dir = ar_cstr(&x->a, ar_printf(&x->a, "%s%s%.*s", x->root, inbox ? "" : "/", SLF(buf_slice(&name))));
    buf_free(&name);
    if (!e) e = make_and_look(x);
    return e ? e : give_letters(x);
}

/* ---- a message ---- */

static int take_flags(struct maildir_sink *x, uint64_t flags, struct maildir_name *n)
{
    n->marks = (unsigned)(flags & (MARK_SEEN | MARK_ANSWERED | MARK_FLAGGED | MARK_DELETED | MARK_DRAFT));
    for (size_t i = 0; i < x->box.nkeywords; i++) {
        if (!(flags >> (FLAG_KEYWORD_FIRST + i) & 1)) continue;
        n->passed |= sl_eqi(x->box.keyword[i], SL("$Forwarded"));
        if (x->letter[i] >= 0) n->letters |= 1u << x->letter[i];
        else if (!x->few_letters) {
            x->few_letters = true;
            int e =
                port_problem(x->s.p, "%.*s: a Maildir has room for %d keywords; %.*s and others are left out",
                             SLF(x->box.name), MAILDIR_LETTERS, SLF(x->box.keyword[i]));
            if (e) return e;
        }
    }
    return 0;
}

/* The text with the line ends of a file, unless some line has another end than CR LF. */
static int write_text(struct port_file *o, const struct message *m, struct reader *rd)
{
    enum { PIECE = 64 * 1024 };
    struct mbox_text t = {.to_lf = m->by_lines == 0};
    char *piece = xmalloc(PIECE);
    int64_t got = 1;
    int e = 0;
    for (uint64_t at = 0; !e && at < m->size && (got = reader_read(rd, at, piece, PIECE)) > 0;
         at += (uint64_t)got) {
        mbox_text_next(&t, sl(piece, (size_t)got), &o->b);
        e = port_file_spill(o);
    }
    if (!e && got <= 0) e = got ? (int)got : err_set(ERR_CORRUPT, "it is shorter than it should be");
    mbox_text_end(&t, &o->b);
    free(piece);
    return e;
}

static int put(struct port_sink *s, const struct message *m, struct reader *rd)
{
    struct maildir_sink *x = sink_of(s);
    struct maildir_name n = {.time = (uint64_t)(m->internal_date > 0 ? m->internal_date : 0),
                             .zone = m->internal_zone,
                             .validity = x->box.uidvalidity,
                             .uid = m->uid};
    struct buf path = BUF_INIT, name = BUF_INIT;
    struct port_file o;
    int e = take_flags(x, m->flags, &n);
    if (e) return e;
    buf_printf(&path, "%s/tmp/V%uU%u.tram%c", x->dir, n.validity, n.uid, 0);
    port_file_begin(&o, s->p->files, path.p);
    e = write_text(&o, m, rd);
    if (!e) {
        buf_printf(&name, "%s/cur/", x->dir);
        maildir_name_put(&name, &n, o.at + o.b.n, m->size);
        buf_char(&name, 0);
        e = port_file_end(&o, m->internal_date, name.p);
    } else {
        port_file_drop(&o);
    }
    buf_free(&path);
    buf_free(&name);
    return e;
}

static int end(struct port_sink *s)
{
    (void)s;
    return 0;
}

/* ---- all of it ---- */

static int put_subscriptions(struct maildir_sink *x)
{
    struct buf b = BUF_INIT;
    struct slice *name, part;
    size_t n;
    int e = mailbox_subscriptions(x->s.p->store, x->s.p->acc, &x->a, &name, &n);
    for (size_t i = 0; !e && i < n; i++) {
        for (bool first = true; sl_next(&name[i], '/', &part); first = false) {
            if (!first) buf_char(&b, '.');
            port_name_encode(&b, part);
        }
        buf_char(&b, '\n');
    }
    struct port_files *f = x->s.p->files;
    if (!e && n) e = f->put(f, ar_cstr(&x->a, ar_printf(&x->a, "%s/subscriptions", x->root)), buf_slice(&b));
    buf_free(&b);
    return e;
}

int export_maildir(struct porting *p, const char *path, struct port_sink **out)
{
    struct maildir_sink *x = xcalloc(1, sizeof *x);
    x->s = (struct port_sink){.begin = begin, .end = end, .has = has, .put = put, .p = p};
    x->root = path;
    ar_init(&x->a, 0);
    int e = p->files->folder(p->files, path);
    if (!e) e = put_subscriptions(x);
    if (e) export_maildir_free(&x->s);
    *out = &x->s;
    return e;
}

void export_maildir_free(struct port_sink *s)
{
    struct maildir_sink *x = sink_of(s);
    ar_free(&x->a);
    free(x->there);
    free(x);
}
