/* export_mbox.c - mailboxes as a folder of mboxrd files: A/B is the file A/B.mbox. */
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "mail/mbox.h"
#include "port_i.h"

enum { FILE_NAME_MAX = 200 };

struct mbox_sink {
    struct port_sink s;
    const char *root;
    struct arena a; /* of the mailbox at hand */
    struct mailbox box;
    const char *path;
    struct port_file o;
};

static struct mbox_sink *sink_of(struct port_sink *s) { return CONTAINER_OF(s, struct mbox_sink, s); }

/* The file of a mailbox; folders above it are made. */
static int path_of(struct mbox_sink *x, struct slice name)
{
    struct slice path = sl_cstr(x->root), part;
    int e = 0;
    for (bool more = true; !e && more;) {
        struct buf b = BUF_INIT;
        sl_next(&name, '/', &part);
        more = name.p != NULL;
        port_name_file(&b, part);
        if (b.n > FILE_NAME_MAX) {
            b.n = utf8_cut(buf_slice(&b), FILE_NAME_MAX).n;
            buf_printf(&b, "~%016llx", (unsigned long long)hash_stable(part, false));
            e = port_problem(x->s.p, "%.*s: the name is too long for a file, which is %.*s", SLF(part),
                             SLF(buf_slice(&b)));
        }
        path = ar_printf(&x->a, "%.*s/%.*s%s", SLF(path), SLF(buf_slice(&b)), more ? "" : ".mbox");
        if (!e && more) e = x->s.p->files->folder(x->s.p->files, path.p);
        buf_free(&b);
    }
    x->path = path.p;
    return e;
}

static int begin(struct port_sink *s, const struct mailbox *box)
{
    struct mbox_sink *x = sink_of(s);
    ar_reset(&x->a);
    x->box = *box;
    int e = path_of(x, box->name);
    if (!e) port_file_begin(&x->o, s->p->files, ar_cstr(&x->a, ar_printf(&x->a, "%s.part", x->path)));
    return e;
}

static int end(struct port_sink *s) { return port_file_end(&sink_of(s)->o, -1, sink_of(s)->path); }

static bool has(struct port_sink *s, const struct message *m)
{
    (void)s, (void)m;
    return false;
}

static int put_text(struct mbox_sink *x, const struct message *m, struct reader *rd)
{
    struct mbox_text t = {.quote = true, .to_lf = m->by_lines == 0};
    char *piece = xmalloc(PORT_PIECE);
    int64_t got = 0;
    int e = 0;
    for (uint64_t at = 0; !e && at < m->size; at += (uint64_t)got) {
        got = reader_read(rd, at, piece, PORT_PIECE);
        if (got <= 0) e = got ? (int)got : err_set(ERR_CORRUPT, "it is shorter than it should be");
        else mbox_text_next(&t, sl(piece, (size_t)got), &x->o.b);
        if (!e) e = port_file_spill(&x->o);
    }
    bool open = got > 0 && piece[got - 1] != '\n';
    mbox_text_end(&t, &x->o.b);
    buf_str(&x->o.b, open ? "\n\n" : "\n");
    free(piece);
    return e;
}

static int put(struct port_sink *s, const struct message *m, struct reader *rd)
{
    struct mbox_sink *x = sink_of(s);
    struct mbox_head h = {.size = m->size, .as_is = m->by_lines != 0, .zone = m->internal_zone};
    h.marks.set =
        (unsigned)(m->flags & (MARK_SEEN | MARK_ANSWERED | MARK_FLAGGED | MARK_DELETED | MARK_DRAFT));
    for (size_t i = 0; i < x->box.nkeywords; i++)
        if (m->flags >> (FLAG_KEYWORD_FIRST + i) & 1) mail_marks_add(&h.marks, x->box.keyword[i]);
    uint64_t before = x->o.at + x->o.b.n;
    mbox_head_put(&x->o.b, SL(""), m->internal_date, &h);
    int e = put_text(x, m, rd);
    if (!e) return 0;
    int back = port_file_back(&x->o, before); /* no half of it stays */
    return back ? back : e;
}

int export_mbox(struct porting *p, const char *path, struct port_sink **out)
{
    struct mbox_sink *x = xcalloc(1, sizeof *x);
    struct path_info info;
    x->s = (struct port_sink){.begin = begin, .end = end, .has = has, .put = put, .p = p};
    x->root = path;
    ar_init(&x->a, 0);
    int e = p->files->info(p->files, path, &info);
    if (!e) e = err_set(ERR_EXISTS, "%s is there already: mbox files are written into a new folder", path);
    else if (e == ERR_NOT_FOUND) e = p->files->folder(p->files, path);
    if (e) export_mbox_free(&x->s);
    *out = &x->s;
    return e;
}

void export_mbox_free(struct port_sink *s)
{
    struct mbox_sink *x = sink_of(s);
    port_file_drop(&x->o);
    ar_free(&x->a);
    free(x);
}
