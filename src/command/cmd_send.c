/* cmd_send.c - send: a letter from standard input goes the same way as one that was submitted
 * (sendmail(8) habits; also when the program is called `sendmail`). */
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "cmd.h"
#include "mail/addr.h"
#include "mail/build.h"
#include "mail/submit.h"
#include "store/trace.h"

/* ---- command line ---- */

int parse_send(struct arena *a, int argc, char **argv, json_t *args)
{
    (void)a;
    /* Of sendmail(8)'s options those that still mean something; -i, -oi, -m... are the only way here. */
    int kept = 0;
    for (int i = 0; i < argc; i++) {
        char *w = argv[i];
        bool idle =
            strcmp(w, "-i") == 0 || strncmp(w, "-o", 2) == 0 || strcmp(w, "-bm") == 0 || strcmp(w, "-m") == 0;
        if (idle) continue;
        if (strncmp(w, "-f", 2) == 0 && w[2]) {
            reply_text(args, "f", sl_cstr(w + 2));
            continue;
        }
        if (strncmp(w, "-F", 2) == 0) {
            if (!w[2]) i++;
            continue;
        }
        argv[kept++] = w;
    }
    int e = parse_options("json f: t", &kept, argv, args);
    if (!e) e = parse_words("recipients*", kept, argv, args);
    bool from_head = json_is_true(json_object_get(args, "t"));
    if (!e && !from_head && !json_array_size(json_object_get(args, "recipients")))
        e = err_set(ERR_USAGE, "name the recipients, or say -t to take them from the header");
    const char *user = getenv("LOGNAME");
    reply_text(args, "user", sl_cstr(user && *user ? user : getuid() == 0 ? "root" : "nobody"));
    return e;
}

/* ---- the letter ---- */

struct sending {
    struct request *r;
    struct buf head;          /* until the empty line */
    bool head_done;
    char last;                /* byte seen */
    struct body_writer *body;
    struct signing_pass *signing;
    struct slice edited;      /* the header section as it will be kept */
    struct mail_head parsed;
    struct mail_addrs from;
    struct slice sender;
    struct letter letter;
    size_t cap;
    bool any_local;
};

static int bad_letter(const char *what) { return err_set(ERR_SYNTAX, "%s", what); }

static int add_route(struct sending *s, struct slice address, const struct route *route)
{
    struct letter *l = &s->letter;
    if (l->nrcpt >= LETTER_RCPTS_MAX)
        return err_set(ERR_LIMIT, "a letter can have at most %d recipients", LETTER_RCPTS_MAX);
    if (l->nrcpt == s->cap) l->rcpt = ar_grow(s->r->a, l->rcpt, &s->cap, sizeof *l->rcpt);
    l->rcpt[l->nrcpt++] = (struct letter_rcpt){.address = address, .route = *route};
    s->any_local |= route->local;
    return 0;
}

static int add_recipient(struct sending *s, struct slice text)
{
    struct arena *a = s->r->a;
    struct slice local, domain;
    struct routes routes;
    if (sl_chr(text, '@') == SL_NONE)
        text = ar_printf(a, "%.*s@%.*s", SLF(text), SLF(core_domain(s->r->core, a)));
    int e = mail_addr_split(a, text, &local, &domain);
    if (e) return err_set(ERR_SYNTAX, "%.*s is not an address", SLF(printable(a, text, 100)));
    e = directory_resolve(s->r->core->store, a, local, domain, &routes);
    if (e) return e;
    struct route remote = {.address = text};
    switch (routes.result) {
    case RESOLVED_NOT_LOCAL: return add_route(s, text, &remote);
    case RESOLVED_NO_USER: return err_set(ERR_NOT_FOUND, "nobody here has the address %.*s", SLF(text));
    case RESOLVED_DISABLED: return err_set(ERR_DENIED, "the account %.*s is disabled", SLF(text));
    case RESOLVED_LOOP: return err_set(ERR_STATE, "the aliases behind %.*s lead in a circle", SLF(text));
    case RESOLVED: break;
    }
    for (size_t i = 0; !e && i < routes.n; i++) e = add_route(s, text, &routes.v[i]);
    return e;
}

static int add_recipients_of(struct sending *s, struct slice name)
{
    struct arena *a = s->r->a;
    for (const struct mail_field *f = mail_head_find(&s->parsed, name, 0); f;
         f = mail_head_find(&s->parsed, name, (size_t)(f - s->parsed.field) + 1)) {
        struct mail_addrs addrs;
        int e = mail_addrs_parse(a, f->body, &addrs);
        for (size_t i = 0; !e && i < addrs.n; i++) e = add_recipient(s, mail_addr_spec(a, &addrs.v[i]));
        if (e) return e;
    }
    return 0;
}

static int take_recipients(struct sending *s)
{
    json_t *list = json_object_get(s->r->args, "recipients"), *v;
    size_t i;
    int e = 0;
    json_array_foreach(list, i, v) if (!e) e = add_recipient(s, ar_dup(s->r->a, sl_cstr(json_string_value(v))));
    if (!e && json_is_true(json_object_get(s->r->args, "t"))) {
        e = add_recipients_of(s, SL("To"));
        if (!e) e = add_recipients_of(s, SL("Cc"));
        if (!e) e = add_recipients_of(s, SL("Bcc"));
    }
    if (!e && !s->letter.nrcpt) e = err_set(ERR_USAGE, "the letter has no recipient");
    return e;
}

static void take_sender(struct sending *s)
{
    struct arena *a = s->r->a;
    struct slice given = arg_slice(s->r->args, "f");
    if (sl_eq(given, SL("<>"))) return;
    if (!given.n) given = arg_slice(s->r->args, "user");
    if (sl_chr(given, '@') == SL_NONE)
        given = ar_printf(a, "%.*s@%.*s", SLF(given), SLF(core_domain(s->r->core, a)));
    s->sender = given;
}

/* The whole header section is here: judge it, edit it, begin the body. */
static int head_complete(struct sending *s)
{
    struct arena *a = s->r->a;
    struct slice raw = ar_dup(a, buf_slice(&s->head));
    take_sender(s);
    int e = mail_head_parse(a, raw, &s->parsed);
    if (!e && !mail_head_count(&s->parsed, SL("From"))) {
        raw = ar_cat(a, ar_printf(a, "From: %.*s\r\n", SLF(s->sender)), raw);
        e = mail_head_parse(a, raw, &s->parsed);
    }
    if (!e) e = mail_submit_check(a, &s->parsed, &s->from);
    if (!e) e = take_recipients(s);
    if (e) return e;
    struct buf edited = BUF_INIT;
    struct mail_edit edit = {.forged = mailauth_forged, .forged_arg = &s->r->core->mailauth,
                             .domain = s->from.v[0].domain, .now = rt_wall_seconds(), .submission = true};
    rt_random(&edit.random, sizeof edit.random);
    mail_head_edit(a, &s->parsed, &edit, &edited);
    s->edited = ar_dup(a, buf_slice(&edited));
    buf_free(&edited);
    e = signing_begin(s->r->core->signing, a, s->from.v[0].domain, s->edited, &s->signing);
    if (!e) e = body_begin(s->r->core->store->body, accept_body_class(s->any_local), &s->body);
    return e;
}

static int body_bytes(struct sending *s, struct slice bytes)
{
    if (body_written(s->body) + bytes.n > s->r->core->conf->size_max)
        return err_set(ERR_TOO_LONG, "the letter is larger than size_max (%llu bytes)",
                       (unsigned long long)s->r->core->conf->size_max);
    signing_body(s->signing, bytes);
    return body_write(s->body, bytes);
}

/* Header lines gather; when the empty line came, what follows is body. Returns bytes used. */
static int64_t take_head(struct sending *s, struct slice in)
{
    for (size_t used = 0; used < in.n;) {
        size_t lf = sl_chr(sl_from(in, used), '\n');
        size_t end = lf == SL_NONE ? in.n : used + lf + 1;
        buf_put(&s->head, sl_sub(in, used, end));
        used = end;
        if (s->head.n > MAIL_HEAD_MAX) return bad_letter("the header section is too long");
        bool empty = s->head.n >= 2 && s->head.p[s->head.n - 1] == '\n' && s->head.p[s->head.n - 2] == '\r' &&
                     (s->head.n == 2 || s->head.p[s->head.n - 3] == '\n');
        if (empty) {
            s->head.n -= 2;
            s->head_done = true;
            return (int64_t)used;
        }
    }
    return (int64_t)in.n;
}

/* Unix line ends become CRLF on the way in; a CR that was there stays one. */
static int take_bytes(struct sending *s, struct slice in)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] == '\n' && s->last != '\r') buf_char(&b, '\r');
        s->last = in.p[i];
        buf_char(&b, in.p[i]);
    }
    struct slice out = buf_slice(&b);
    int e = 0;
    if (!s->head_done) {
        int64_t used = take_head(s, out);
        if (used < 0) e = (int)used;
        else out = sl_from(out, (size_t)used);
        if (!e && s->head_done) e = head_complete(s);
    }
    if (!e && s->head_done && out.n) e = body_bytes(s, out);
    buf_free(&b);
    return e;
}

static int read_all(struct sending *s)
{
    struct slice piece;
    int e;
    while ((e = s->r->payload->next(s->r->payload, &piece)) > 0) {
        e = take_bytes(s, piece);
        if (e) return e;
    }
    if (e) return e;
    if (!s->head_done) {
        s->head_done = true;
        if (s->head.n && s->head.p[s->head.n - 1] != '\n') buf_str(&s->head, "\r\n");
        e = head_complete(s);
    }
    if (!e && body_written(s->body) && s->last != '\n') e = body_bytes(s, SL("\r\n"));
    return e;
}

static int commit(struct sending *s)
{
    struct request *r = s->r;
    struct letter *l = &s->letter;
    struct slice signature, user = arg_slice(r->args, "user");
    struct buf prefix = BUF_INIT;
    letter_id_new(&l->id);
    l->sender = s->sender;
    int e = preflight_gate(r->core->preflight, r->a, l, &s->parsed, &l->hold);
    if (e) return e;
    e = signing_end(s->signing, &signature);
    s->signing = NULL;
    if (e) return e;
    l->received = rt_wall_seconds();
    mail_return_path(&prefix, l->sender);
    l->skip = (uint32_t)prefix.n;
    struct mail_received rec = {.by = r->core->conf->hostname, .id = sl_cstr(l->id.s), .when = l->received,
                                .for_one = l->nrcpt == 1 ? l->rcpt[0].address : (struct slice){0}};
    mail_received(&prefix, &rec);
    buf_put(&prefix, signature);
    buf_put(&prefix, s->edited);
    buf_str(&prefix, "\r\n");
    l->head_size = (uint32_t)prefix.n;
    e = body_finish(&s->body, buf_slice(&prefix), &l->body);
    buf_free(&prefix);
    if (e) return e;
    bool found;
    struct mail_head final;
    if (mail_head_parse(r->a, s->edited, &final) == 0) {
        l->message_id = mail_head_get(r->a, &final, SL("Message-ID"), &found);
        l->subject = mail_head_get(r->a, &final, SL("Subject"), &found);
    }
    trace_addf(r->core->store, &l->id, TRACE_RECEIVED, (struct slice){0},
               "handed over by %.*s with `tram send`, from %.*s", SLF(user), SLF(l->sender));
    e = accept_letter(r->core->queue, l);
    if (e) body_unpin(r->core->store->body, &l->body);
    return e;
}

int run_send(struct request *r)
{
    struct sending s = {.r = r};
    int e = read_all(&s);
    if (!e) e = commit(&s);
    if (s.body) body_abandon(&s.body);
    if (s.signing) (void)!signing_end(s.signing, NULL);
    buf_free(&s.head);
    if (!e) reply_text(r->reply, "id", sl_cstr(s.letter.id.s));
    return e;
}

void print_send(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    buf_printf(out, "The letter has the id %s; `tram trace %s` tells its road.\n", arg_text(reply, "id"),
               arg_text(reply, "id"));
}
