/* port_files.c - steps of import and export that a server asks the user's process for. */
#include "port_files.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"

/* ---- bytes in JSON ---- */

static json_t *bytes_value(struct slice s)
{
    struct buf b = BUF_INIT;
    b64_encode(&b, s);
    json_t *v = json_stringn(b.p ? b.p : "", b.n);
    buf_free(&b);
    return v;
}

static int bytes_of(json_t *o, const char *name, struct buf *out)
{
    return b64_decode(out, arg_slice(o, name), true);
}

/* As a string: up to a NUL. */
static char *path_of(json_t *o, const char *name)
{
    struct buf b = BUF_INIT;
    if (bytes_of(o, name, &b)) b.n = 0;
    buf_char(&b, 0);
    return b.p;
}

/* ---- asking ---- */

static int ask(struct port_files *f, json_t *question, json_t **answer)
{
    struct port_asked *x = CONTAINER_OF(f, struct port_asked, f);
    int e = x->r->ask(x->r->ask_arg, question, answer);
    json_decref(question);
    if (e) return e;
    e = (int)arg_number(*answer, "e");
    if (e) err_set(e < 0 ? e : ERR_IO, "%s", arg_text(*answer, "why"));
    if (e) json_decref(*answer);
    return e > 0 ? ERR_IO : e;
}

static json_t *question(const char *what, const char *path)
{
    return json_pack("{s:s, s:o}", "what", what, "path", bytes_value(sl_cstr(path)));
}

/* When the answer is only whether it went well. */
static int ask_short(struct port_files *f, json_t *q)
{
    json_t *a;
    int e = ask(f, q, &a);
    if (!e) json_decref(a);
    return e;
}

static int take_names(struct port_files *f, json_t *q, struct port_names *out)
{
    json_t *a, *v;
    size_t i;
    *out = (struct port_names){0};
    int e = ask(f, q, &a);
    if (e) return e;
    json_t *list = json_object_get(a, "names");
    out->v = xcalloc(json_array_size(list) + 1, sizeof *out->v);
    json_array_foreach(list, i, v) {
        json_t *o = json_pack("{s:O}", "name", v);
        out->v[out->n++] = path_of(o, "name");
        json_decref(o);
    }
    out->more = arg_flag(a, "more");
    json_decref(a);
    return 0;
}

static int names(struct port_files *f, const char *dir, struct port_names *out)
{
    return take_names(f, question("names", dir), out);
}

static int pick(struct port_files *f, const char *dir, const char *after, struct port_names *out)
{
    json_t *q = question("pick", dir);
    if (after) json_object_set_new(q, "after", bytes_value(sl_cstr(after)));
    return take_names(f, q, out);
}

static int count(struct port_files *f, const char *dir, uint64_t *n)
{
    json_t *a;
    int e = ask(f, question("count", dir), &a);
    *n = e ? 0 : (uint64_t)arg_number(a, "n");
    if (!e) json_decref(a);
    return e;
}

static int info(struct port_files *f, const char *path, struct path_info *out)
{
    json_t *a;
    int e = ask(f, question("info", path), &a);
    if (e) return e;
    int64_t kind = arg_number(a, "kind");
    out->kind = kind == PATH_FILE || kind == PATH_FOLDER ? (enum path_kind)kind : PATH_OTHER;
    out->size = (uint64_t)arg_number(a, "size");
    out->changed = arg_number(a, "changed");
    json_decref(a);
    return 0;
}

static int read_some(struct port_files *f, const char *path, uint64_t at, size_t n, struct buf *out)
{
    json_t *a, *q = question("read", path);
    reply_int(q, "at", (int64_t)at);
    reply_int(q, "n", (int64_t)n);
    int e = ask(f, q, &a);
    if (e) return e;
    size_t before = out->n;
    e = bytes_of(a, "bytes", out);
    if (out->n - before > n) out->n = before + n;
    json_decref(a);
    return e;
}

static int folder(struct port_files *f, const char *path) { return ask_short(f, question("folder", path)); }

static int write_some(struct port_files *f, const char *path, uint64_t at, struct slice bytes)
{
    json_t *q = question("write", path);
    reply_int(q, "at", (int64_t)at);
    json_object_set_new(q, "bytes", bytes_value(bytes));
    return ask_short(f, q);
}

static int cut(struct port_files *f, const char *path, uint64_t size)
{
    json_t *q = question("cut", path);
    reply_int(q, "at", (int64_t)size);
    return ask_short(f, q);
}

static int done(struct port_files *f, const char *path, int64_t date, const char *name)
{
    json_t *q = question("done", path);
    reply_int(q, "date", date);
    json_object_set_new(q, "name", bytes_value(sl_cstr(name)));
    return ask_short(f, q);
}

static int drop(struct port_files *f, const char *path) { return ask_short(f, question("drop", path)); }

static int put(struct port_files *f, const char *path, struct slice text)
{
    json_t *q = question("put", path);
    json_object_set_new(q, "bytes", bytes_value(text));
    return ask_short(f, q);
}

static int sync(struct port_files *f, const char *path) { return ask_short(f, question("sync", path)); }

void port_asked_begin(struct port_asked *x, struct request *r)
{
    *x = (struct port_asked){
        {names, pick, count, info, read_some, folder, write_some, cut, done, drop, put, sync}, r};
}

/* ---- answering ---- */

struct step {
    struct port_files *f;
    json_t *q, *a; /* the question, and what is told */
    const char *path, *name;
    struct buf bytes;
};

static int tell_names(struct step *s, int e, struct port_names *n)
{
    json_t *list = json_array();
    for (size_t i = 0; !e && i < n->n; i++) json_array_append_new(list, bytes_value(sl_cstr(n->v[i])));
    json_object_set_new(s->a, "names", list);
    json_object_set_new(s->a, "more", json_boolean(!e && n->more));
    if (!e) port_names_free(n);
    return e;
}

static int do_names(struct step *s)
{
    struct port_names n;
    return tell_names(s, s->f->names(s->f, s->path, &n), &n);
}

static int do_pick(struct step *s)
{
    struct port_names n;
    char *after = json_object_get(s->q, "after") ? path_of(s->q, "after") : NULL;
    int e = s->f->pick(s->f, s->path, after, &n);
    free(after);
    return tell_names(s, e, &n);
}

static int do_count(struct step *s)
{
    uint64_t n = 0;
    int e = s->f->count(s->f, s->path, &n);
    reply_int(s->a, "n", (int64_t)n);
    return e;
}

static int do_info(struct step *s)
{
    struct path_info i;
    int e = s->f->info(s->f, s->path, &i);
    if (e) return e;
    reply_int(s->a, "kind", i.kind);
    reply_int(s->a, "size", (int64_t)i.size);
    reply_int(s->a, "changed", i.changed);
    return 0;
}

static int do_read(struct step *s)
{
    struct buf b = BUF_INIT;
    int64_t n = arg_number(s->q, "n");
    if (n < 0 || n > PORT_PIECE) n = PORT_PIECE;
    int e = s->f->read(s->f, s->path, (uint64_t)arg_number(s->q, "at"), (size_t)n, &b);
    json_object_set_new(s->a, "bytes", bytes_value(buf_slice(&b)));
    buf_free(&b);
    return e;
}

static int do_folder(struct step *s) { return s->f->folder(s->f, s->path); }
static int do_write(struct step *s)
{
    return s->f->write(s->f, s->path, (uint64_t)arg_number(s->q, "at"), buf_slice(&s->bytes));
}
static int do_cut(struct step *s) { return s->f->cut(s->f, s->path, (uint64_t)arg_number(s->q, "at")); }
static int do_done(struct step *s) { return s->f->done(s->f, s->path, arg_number(s->q, "date"), s->name); }
static int do_drop(struct step *s) { return s->f->drop(s->f, s->path); }
static int do_put(struct step *s) { return s->f->put(s->f, s->path, buf_slice(&s->bytes)); }
static int do_sync(struct step *s) { return s->f->sync(s->f, s->path); }

static const struct {
    const char *what;
    int (*fn)(struct step *s);
} steps[] = {{"names", do_names}, {"pick", do_pick},     {"count", do_count}, {"info", do_info},
             {"read", do_read},   {"folder", do_folder}, {"write", do_write}, {"cut", do_cut},
             {"done", do_done},   {"drop", do_drop},     {"put", do_put},     {"sync", do_sync}};

/* The root itself, or what lies below it: whoever has got hold of the server gets no further. */
static bool is_below(const char *root, const char *path)
{
    size_t n = strlen(root);
    struct slice rest = sl_cstr(path), part;
    while (sl_next(&rest, '/', &part))
        if (sl_eq(part, SL(".."))) return false;
    return strncmp(path, root, n) == 0 && (path[n] == '/' || !path[n]);
}

static int do_step(const char *root, struct step *s)
{
    bool named = json_object_get(s->q, "name");
    if (!is_below(root, s->path) || (named && !is_below(root, s->name)))
        return err_set(ERR_DENIED, "the server asks for %s, which is not below %s", named ? s->name : s->path,
                       root);
    for (size_t i = 0; i < COUNT_OF(steps); i++)
        if (strcmp(steps[i].what, arg_text(s->q, "what")) == 0) return steps[i].fn(s);
    return err_set(ERR_UNSUPPORTED,
                   "the server asks for what this command does not know: it may be another version");
}

json_t *port_files_answer(const char *root, json_t *question_)
{
    static struct port_local local; /* of the process, which runs this one command: the file that is open */
    struct step s = {.q = question_, .a = json_object()};
    char *path = path_of(question_, "path"), *name = path_of(question_, "name");
    if (!local.f.names) port_local_begin(&local);
    s.f = &local.f;
    s.path = path;
    s.name = name;
    int e = bytes_of(question_, "bytes", &s.bytes);
    if (!e) e = do_step(root, &s);
    if (e) reply_int(s.a, "e", e);
    if (e) reply_text(s.a, "why", sl_cstr(err_text(e)));
    buf_free(&s.bytes);
    free(path);
    free(name);
    return s.a;
}
