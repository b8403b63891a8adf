/* import_maildir.c - a Maildir, its folders (Maildir++: .A.B; nested: A/B), keywords and subscriptions. */
#include <stdlib.h>

#include "mail/maildir.h"
#include "mail/mbox.h"
#include "port_i.h"

/* ---- a message ---- */

struct file_in {
    struct incoming in;
    struct port_files *files;
    char *path;
    uint64_t at;
    bool as_is;
    struct mbox_text text;
    bool ended;
};

static int begin_file(struct incoming *in)
{
    struct file_in *x = CONTAINER_OF(in, struct file_in, in);
    x->at = 0;
    x->ended = false;
    x->text = (struct mbox_text){.to_crlf = !x->as_is};
    return 0;
}

static int next_of_file(struct incoming *in, struct buf *out)
{
    enum { PIECE = 64 * 1024 };
    struct file_in *x = CONTAINER_OF(in, struct file_in, in);
    if (x->ended) return 0;
    struct buf piece = BUF_INIT;
    int e = x->files->read(x->files, x->path, x->at, PIECE, &piece);
    mbox_text_next(&x->text, buf_slice(&piece), out);
    x->at += piece.n;
    x->ended = piece.n < PIECE;
    if (x->ended) mbox_text_end(&x->text, out);
    buf_free(&piece);
    if (e) return e;
    return 1;
}

struct keywords {
    struct slice name[MAILDIR_LETTERS];
};

static void take_marks(const struct maildir_name *n, const struct keywords *k, struct mail_marks *m)
{
    m->set = n->marks;
    if (n->passed) mail_marks_add(m, SL("$Forwarded"));
    for (unsigned i = 0; i < MAILDIR_LETTERS; i++)
        if (n->letters >> i & 1 && k->name[i].n) mail_marks_add(m, k->name[i]);
}

static int import_message(struct landing *l, const char *dir, const char *name, const struct keywords *k)
{
    struct arena a;
    struct maildir_name n;
    struct path_info info;
    ar_init(&a, 0);
    struct file_in x = {.in = {.begin = begin_file, .next = next_of_file}, .files = l->p->files};
    x.path = ar_cstr(&a, ar_printf(&a, "%s/%s", dir, name));
    x.in.what = sl_cstr(x.path);
    maildir_name_parse(sl_cstr(name + 4), &n);
    x.as_is = n.as_is;
    x.in.zone = n.zone;
    take_marks(&n, k, &x.in.marks);
    int e = x.files->info(x.files, x.path, &info);
    if (e) e = port_failed(l->p, e, x.in.what);
    else {
        x.in.date = info.changed > 0 ? info.changed : 0;
        e = landing_take(l, &x.in);
    }
    ar_free(&a);
    return e;
}

/* ---- a folder ---- */

/* dovecot-keywords, which may not be there. */
static void read_keywords(struct porting *p, struct arena *a, const char *dir, struct keywords *k)
{
    struct buf b = BUF_INIT;
    struct slice line, name;
    unsigned at;
    *k = (struct keywords){0};
    if (port_read_small(p, ar_cstr(a, ar_printf(a, "%s/dovecot-keywords", dir)), &b) == 0) {
        struct slice rest = ar_dup(a, buf_slice(&b));
        while (sl_next(&rest, '\n', &line))
            if (maildir_keyword(line, &at, &name)) k->name[at] = name;
    }
    buf_free(&b);
}

static int import_picked(struct landing *l, const char *dir, const struct port_names *names,
                         const struct keywords *k)
{
    int e = 0;
    for (size_t i = 0; !e && i < names->n; i++) {
        e = import_message(l, dir, names->v[i], k);
        l->p->progress.done++;
        if (!e) e = port_progressed(l->p);
    }
    return e;
}

static int import_messages(struct landing *l, const char *dir)
{
    struct port_files *f = l->p->files;
    struct keywords k;
    struct port_names names = {.more = true};
    struct arena a;
    char *last = NULL;
    int e = 0;
    ar_init(&a, 0);
    read_keywords(l->p, &a, dir, &k);
    for (bool more = true; !e && more; port_names_free(&names)) {
        e = f->pick(f, dir, last, &names);
        if (!e) e = import_picked(l, dir, &names, &k);
        more = names.more && names.n;
        free(last);
        last = names.n ? xstrndup(names.v[names.n - 1], strlen(names.v[names.n - 1])) : NULL;
    }
    free(last);
    ar_free(&a);
    return e;
}

/* ---- folders ---- */

struct walk {
    struct porting *p;
    bool counting;
    size_t depth;
};

static int import_folder(struct walk *w, const char *dir, struct slice name)
{
    struct landing *l;
    if (w->counting) {
        uint64_t n = 0;
        int e = w->p->files->count(w->p->files, dir, &n);
        w->p->progress.of += n;
        return e;
    }
    int e = landing_begin(&l, w->p, name);
    if (e) return port_failed(w->p, e, sl_cstr(dir));
    return landing_end(&l, import_messages(l, dir));
}

/* Maildir++: .A.B of the root. */
static int plus_name(struct arena *a, struct slice parts, struct slice *out)
{
    struct slice part, plain;
    *out = SL("");
    while (sl_next(&parts, '.', &part)) {
        int e = port_name_decode(a, part, &plain);
        if (e) return e;
        *out = ar_printf(a, "%.*s%s%.*s", SLF(*out), out->n ? "/" : "", SLF(plain));
    }
    return 0;
}

static bool is_maildir(struct porting *p, struct arena *a, const char *dir)
{
    return port_is_folder(p, ar_cstr(a, ar_printf(a, "%s/cur", dir)));
}

static int walk_folder(struct walk *w, const char *dir, struct slice name);

/* One name in a folder: cur, new, tmp and files are passed over. */
static int walk_name(struct walk *w, struct arena *a, const char *dir, struct slice above, const char *name)
{
    struct slice found = sl_cstr(name), full = {0};
    const char *path = ar_cstr(a, ar_printf(a, "%s/%s", dir, name));
    bool plus = name[0] == '.';
    if (sl_eq(found, SL("cur")) || sl_eq(found, SL("new")) || sl_eq(found, SL("tmp")) ||
        !port_is_folder(w->p, path))
        return 0;
    if (plus && (above.n || !is_maildir(w->p, a, path))) return 0; /* something else that is hidden */
    int e = plus ? plus_name(a, sl_from(found, 1), &full) : port_name_decode(a, found, &full);
    if (e) return w->counting ? 0 : port_failed(w->p, e, sl_cstr(path));
    if (above.n) full = ar_printf(a, "%.*s/%.*s", SLF(above), SLF(full));
    return plus ? import_folder(w, path, full) : walk_folder(w, path, full);
}

static int walk_folder(struct walk *w, const char *dir, struct slice name)
{
    struct port_names names = {0};
    struct arena a;
    ar_init(&a, 0);
    int e = is_maildir(w->p, &a, dir) ? import_folder(w, dir, name.n ? name : SL("INBOX")) : 0;
    if (!e && w->depth < PORT_DEPTH_MAX) e = w->p->files->names(w->p->files, dir, &names);
    w->depth++;
    for (size_t i = 0; !e && i < names.n; i++) e = walk_name(w, &a, dir, name, names.v[i]);
    w->depth--;
    port_names_free(&names);
    ar_free(&a);
    return e == ERR_LIMIT && !w->counting ? port_failed(w->p, e, sl_cstr(dir)) : e;
}

/* ---- subscriptions ---- */

/* Of Dovecot: names with '.' between their parts, or behind a line "V<tab>2" with tabs. */
static int subscribe(struct porting *p, struct arena *a, struct slice line, bool tabs)
{
    struct slice name = SL(""), part, plain;
    while (sl_next(&line, tabs ? '\t' : '.', &part)) {
        if (port_name_decode(a, part, &plain)) return 0;
        name = ar_printf(a, "%.*s%s%.*s", SLF(name), name.n ? "/" : "", SLF(plain));
    }
    int e = name.n ? mailbox_subscribe(p->store, p->acc, name, true) : 0;
    return e == ERR_SYNTAX || e == ERR_LIMIT ? 0 : e;
}

static int import_subscriptions(struct porting *p, const char *dir)
{
    struct buf b = BUF_INIT;
    struct slice line;
    struct arena a;
    ar_init(&a, 0);
    int e = port_read_small(p, ar_cstr(&a, ar_printf(&a, "%s/subscriptions", dir)), &b);
    struct slice rest = buf_slice(&b);
    bool none = e != 0, tabs = sl_starts(rest, SL("V\t2"));
    for (e = 0; !none && !e && sl_next(&rest, '\n', &line);)
        if (!sl_starts(line, SL("V\t"))) e = subscribe(p, &a, line, tabs);
    buf_free(&b);
    ar_free(&a);
    return e;
}

int import_maildir(struct porting *p, const char *path)
{
    struct walk w = {.p = p, .counting = true};
    struct path_info info;
    int e = p->files->info(p->files, path, &info);
    if (!e) e = walk_folder(&w, path, SL(""));
    if (e) return e;
    w.counting = false;
    e = walk_folder(&w, path, SL(""));
    if (!e) e = import_subscriptions(p, path);
    if (e || p->report->mailboxes || p->report->failed) return e;
    return err_set(ERR_NOT_FOUND, "%s is no Maildir: neither it nor a folder in it has a folder cur", path);
}
