/* cmd_send.c - send: a letter from standard input goes the same way as one that was submitted
 * (sendmail(8) habits; also when the program is called `sendmail`). */
#include "base/text.h"
#include "cmd.h"
#include "mail/addr.h"
#include "mail/build.h"
#include "mail/handed.h"
#include "mail/submit.h"
#include "trace/trace.h"

struct sending {
    struct request *r;
    struct buf head; /* until the empty line */
    bool head_done;
    size_t line_at;  /* where its last line begins */
    char last;       /* byte seen */
    json_t *refused; /* addresses that are nobody's, each with the reason */
    struct body_writer *body;
    struct signing_pass *signing;
    struct slice edited; /* the header section as it will be kept */
    struct mail_head parsed;
    struct mail_addrs from;
    struct slice sender;
    struct letter letter;
    size_t cap;
    bool any_local;
};

static int bad_letter(const char *what) { return err_set(ERR_SYNTAX, "%s", what); }

/* -N and -R, as RCPT's NOTIFY and MAIL's RET; words that nobody knows ask for nothing. */
static unsigned notify_of(struct slice words)
{
    unsigned n = 0;
    for (struct slice word; sl_next(&words, ',', &word);)
        n |= sl_eqi(word, SL("never"))     ? NOTIFY_NEVER
             : sl_eqi(word, SL("success")) ? NOTIFY_SUCCESS
             : sl_eqi(word, SL("failure")) ? NOTIFY_FAILURE
             : sl_eqi(word, SL("delay"))   ? NOTIFY_DELAY
                                           : 0;
    return n & NOTIFY_NEVER ? NOTIFY_NEVER : n;
}

static int add_route(struct sending *s, struct slice address, const struct route *route)
{
    struct letter *l = &s->letter;
    if (l->nrcpt >= LETTER_RCPTS_MAX)
        return err_set(ERR_LIMIT, "a letter can have at most %d recipients", LETTER_RCPTS_MAX);
    if (l->nrcpt == s->cap) l->rcpt = ar_grow(s->r->a, l->rcpt, &s->cap, sizeof *l->rcpt);
    l->rcpt[l->nrcpt++] = (struct letter_rcpt){
        .address = address, .route = *route, .notify = notify_of(arg_slice(s->r->args, "N"))};
    s->any_local |= route->local;
    return 0;
}

static int resolve(struct sending *s, struct slice text, struct routes *routes)
{
    struct slice local, domain;
    int e = mail_addr_split(s->r->a, text, &local, &domain);
    if (!e) e = directory_resolve(s->r->core->store->directory, s->r->a, local, domain, routes);
    if (e) return e;
    switch (routes->result) {
    case RESOLVED: return 0;
    case RESOLVED_NOT_LOCAL:
        *routes = (struct routes){.v = ar_new(s->r->a, struct route), .n = 1};
        routes->v->address = text;
        return 0;
    case RESOLVED_NO_USER: return err_set(ERR_NOT_FOUND, "nobody here has this address");
    case RESOLVED_DISABLED: return err_set(ERR_DENIED, "the account is disabled");
    case RESOLVED_TOO_MANY:
        return err_set(ERR_LIMIT, "the aliases behind it lead to more than %d addresses, or too far",
                       ALIAS_TARGETS_MAX);
    case RESOLVED_LOOP: return err_set(ERR_STATE, "the aliases behind it lead in a circle");
    }
    return 0;
}

/* A bad address is told and holds nobody else back; what may pass fails the whole, nothing is sent. */
static int add_recipient(struct sending *s, struct slice text)
{
    struct routes routes;
    int e = resolve(s, text, &routes);
    for (size_t i = 0; !e && i < routes.n; i++) e = add_route(s, text, &routes.v[i]);
    if (!e || err_is_temporary(e)) return e;
    json_t *bad = json_object();
    reply_text(bad, "address", text);
    reply_text(bad, "why", sl_cstr(err_text(e)));
    json_array_append_new(s->refused, bad);
    return 0;
}

/* An address list, from a header field or the command line. */
static int add_recipients(struct sending *s, struct slice list)
{
    struct arena *a = s->r->a;
    struct mail_addrs addrs;
    list = mail_handed_list(a, ar_dup(a, list), core_domain(s->r->core, a));
    int e = mail_addrs_parse(a, list, &addrs);
    if (e == ERR_SYNTAX || (!e && addrs.bad)) {
        json_t *bad = json_object();
        reply_text(bad, "address", printable(a, sl_trim(list), 200));
        reply_text(bad, "why", SL("there is something in it that is no address"));
        json_array_append_new(s->refused, bad);
        if (e) return 0;
    }
    for (size_t i = 0; !e && i < addrs.n; i++) e = add_recipient(s, mail_addr_spec(a, &addrs.v[i]));
    return e;
}

static int add_recipients_of(struct sending *s, const struct mail_head *h, struct slice name)
{
    int e = 0;
    for (size_t i = 0; !e && i < h->n; i++)
        if (!h->field[i].bad && sl_eqi(h->field[i].name, name)) e = add_recipients(s, h->field[i].body);
    return e;
}

static int take_recipients(struct sending *s, const struct mail_head *h)
{
    static const struct slice names[] = {SL_INIT("To"), SL_INIT("Cc"), SL_INIT("Bcc")},
                              again[] = {SL_INIT("Resent-To"), SL_INIT("Resent-Cc"), SL_INIT("Resent-Bcc")};
    json_t *list = json_object_get(s->r->args, "recipients"), *v;
    size_t i;
    int e = 0;
    bool resent = false; /* then it goes to those named there (RFC 5322 section 3.6.6) */
    for (i = 0; i < COUNT_OF(again); i++) resent |= mail_head_find(h, again[i], 0) != NULL;
    json_array_foreach(list, i, v) if (!e) e = add_recipients(s, sl_cstr(json_string_value(v)));
    for (i = 0; !e && i < COUNT_OF(names) && arg_flag(s->r->args, "t"); i++)
        e = add_recipients_of(s, h, resent ? again[i] : names[i]);
    if (e || s->letter.nrcpt) return e;
    v = json_array_get(s->refused, 0);
    if (!v) return err_set(ERR_USAGE, "the letter has no recipient");
    return err_set(ERR_NOT_FOUND, "%s: %s", arg_text(v, "address"), arg_text(v, "why"));
}

/* The return path, and what stands in From when the letter says nothing that will do. */
static int take_sender(struct sending *s, struct slice *from)
{
    struct arena *a = s->r->a;
    struct mail_addrs list;
    const char *option = json_object_get(s->r->args, "f") ? "f" : "r";
    struct slice user = arg_slice(s->r->args, "user"), given = arg_slice(s->r->args, option);
    bool null = json_object_get(s->r->args, option) && (!given.n || sl_eq(given, SL("<>")));
    if (null || !given.n) given = user;
    int e = mail_addrs_parse(a, mail_handed_list(a, given, core_domain(s->r->core, a)), &list);
    if (e || list.n != 1 || list.bad)
        return err_set(ERR_SYNTAX, "the sender %.*s is not an address", SLF(printable(a, given, 100)));
    list.v[0].name = arg_slice(s->r->args, "F");
    *from = mail_addr_text(a, &list.v[0]);
    if (!null) s->sender = mail_addr_spec(a, &list.v[0]);
    return 0;
}

/* The header section as it was handed over becomes one that can be sent. */
static int repair_head(struct sending *s, struct slice raw, struct slice from)
{
    struct arena *a = s->r->a;
    struct buf b = BUF_INIT;
    int e = mail_handed_head(a, raw, core_domain(s->r->core, a), from, &b);
    raw = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    if (!e) e = mail_head_parse(a, raw, &s->parsed);
    const struct mail_field *f = e ? NULL : mail_head_find(&s->parsed, SL("From"), 0);
    return f ? mail_addrs_parse(a, f->body, &s->from) : e;
}

/* The whole header section is here: judge it, edit it, begin the body. */
static int head_complete(struct sending *s)
{
    struct arena *a = s->r->a;
    struct slice raw = ar_dup(a, buf_slice(&s->head)), from;
    struct mail_head handed;
    int e = take_sender(s, &from);
    if (!e) e = mail_head_parse(a, raw, &handed);
    if (!e) e = take_recipients(s, &handed);
    if (!e) e = repair_head(s, raw, from);
    if (e) return e;
    struct buf edited = BUF_INIT;
    struct mail_edit edit = {.forged = mailauth_forged,
                             .forged_arg = &s->r->core->mailauth,
                             .domain = s->from.v[0].domain,
                             .now = rt_wall_seconds(),
                             .submission = true};
    rt_random(&edit.random, sizeof edit.random);
    mail_head_edit(a, &s->parsed, &edit, &edited);
    s->edited = ar_dup(a, buf_slice(&edited));
    buf_free(&edited);
    s->letter.eight_bit = !is_ascii(s->edited);
    e = signing_begin(s->r->core->signing, a, s->from.v[0].domain, s->edited, &s->signing);
    if (!e) e = body_begin(s->r->core->store->body, accept_body_class(s->any_local), &s->body);
    return e;
}

static int body_bytes(struct sending *s, struct slice bytes)
{
    if (body_written(s->body) + bytes.n > s->r->core->conf->size_max)
        return err_set(ERR_TOO_LONG, "the letter is larger than size_max (%llu bytes)",
                       (unsigned long long)s->r->core->conf->size_max);
    s->letter.eight_bit |= !is_ascii(bytes);
    signing_body(s->signing, bytes);
    return body_write(s->body, bytes);
}

/* One line of what may be the header section, in s->head from `at` on. *here: it is not part of it. */
static void judge_line(struct sending *s, size_t at, bool *here)
{
    struct slice line = sl_from(buf_slice(&s->head), at);
    *here = false;
    if (sl_eq(line, SL("\r\n"))) {
        s->head.n = at;
        s->head_done = true;
    } else if (at == 0 && mail_handed_mbox_line(line)) {
        s->head.n = 0;
    } else if (!mail_handed_field(line) && !(at && (line.p[0] == ' ' || line.p[0] == '\t'))) {
        *here = s->head_done = true; /* text without a header section, or right under it */
    }
}

/* Header lines gather; what follows the empty line, or begins with a line that cannot be a field,
 * is body. Gives the rest of `in`, and the line that was held to be one of the header section. */
static int take_head(struct sending *s, struct slice *in, struct slice *line)
{
    while (in->n && !s->head_done) {
        size_t lf = sl_chr(*in, '\n'), n = lf == SL_NONE ? in->n : lf + 1;
        bool here;
        buf_put(&s->head, sl_sub(*in, 0, n));
        *in = sl_from(*in, n);
        if (s->head.n > MAIL_HEAD_MAX) return bad_letter("the header section is too long");
        if (lf == SL_NONE) break;
        judge_line(s, s->line_at, &here);
        if (here) {
            *line = ar_dup(s->r->a, sl_from(buf_slice(&s->head), s->line_at));
            s->head.n = s->line_at;
        }
        s->line_at = s->head.n;
    }
    return 0;
}

static int take_clean(struct sending *s, struct slice out)
{
    struct slice line = SL("");
    int e = 0;
    if (!s->head_done) {
        e = take_head(s, &out, &line);
        if (!e && s->head_done) e = head_complete(s);
        if (!e && line.n) e = body_bytes(s, line);
    }
    if (!e && s->head_done && out.n) e = body_bytes(s, out);
    return e;
}

/* LF alone and CR alone become CRLF on the way in: a letter never holds one of them. */
static int take_bytes(struct sending *s, struct slice in)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];
        if (c == '\n' || s->last == '\r') buf_str(&b, "\r\n");
        if (c != '\n' && c != '\r') buf_char(&b, c);
        s->last = c;
    }
    int e = take_clean(s, buf_slice(&b));
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
    if (!e && s->last && s->last != '\n') e = take_bytes(s, s->last == '\r' ? SL("\n") : SL("\n"));
    return !e && !s->head_done ? head_complete(s) : e;
}

static int commit(struct sending *s)
{
    struct request *r = s->r;
    struct letter *l = &s->letter;
    struct slice signature, user = arg_slice(r->args, "user");
    struct buf prefix = BUF_INIT;
    letter_id_new(&l->id);
    l->sender = s->sender;
    struct mail_head final;
    int e = mail_head_parse(r->a, s->edited, &final);
    if (!e) e = letter_fields(r->a, &final, &l->message_id, &l->subject);
    if (!e && letter_leaves(l))
        e = preflight_gate(r->core->preflight, r->a, &l->id, l->sender, &s->parsed, &l->hold);
    if (e) return e;
    e = signing_end(s->signing, &signature);
    s->signing = NULL;
    if (e) return e;
    l->received = rt_wall_seconds();
    struct slice ret = arg_slice(r->args, "R");
    l->ret = sl_eqi(ret, SL("full")) ? SL("FULL") : sl_eqi(ret, SL("hdrs")) ? SL("HDRS") : SL("");
    l->envid = sl_sub(arg_slice(r->args, "V"), 0, 100);
    mail_return_path(&prefix, l->sender);
    l->skip = (uint32_t)prefix.n;
    struct mail_received rec = {.by = r->core->conf->hostname,
                                .id = sl_cstr(l->id.s),
                                .when = l->received,
                                .for_one = l->nrcpt == 1 ? l->rcpt[0].address : (struct slice){0}};
    mail_received(&prefix, &rec);
    buf_put(&prefix, signature);
    buf_put(&prefix, s->edited);
    buf_str(&prefix, "\r\n");
    l->head_size = (uint32_t)prefix.n;
    struct buf origin = BUF_INIT;
    e = letter_origin(&origin, l);
    if (!e) e = body_finish(&s->body, buf_slice(&prefix), buf_slice(&origin), &l->body);
    buf_free(&origin);
    buf_free(&prefix);
    if (e) return e;
    trace_addf(r->core->store->trace, &l->id, TRACE_RECEIVED, (struct slice){0},
               "handed over by %.*s with `tram send`, from %.*s", SLF(user), SLF(l->sender));
    return accept_letter(r->core->queue, l);
}

int run_send(struct request *r)
{
    struct sending s = {.r = r, .refused = json_array()};
    int e = read_all(&s);
    if (!e) e = commit(&s);
    if (s.body) body_abandon(&s.body);
    if (s.signing) (void)!signing_end(s.signing, NULL);
    buf_free(&s.head);
    bool some = json_array_size(s.refused) > 0;
    if (!e) {
        reply_text(r->reply, "id", sl_cstr(s.letter.id.s));
        if (some) json_object_set(r->reply, "refused", s.refused);
    }
    json_decref(s.refused);
    return e ? e : some ? NO : 0;
}

/* Nothing is said when all went well, as programs expect that call sendmail; -v names the id. */
void print_send(json_t *args, json_t *reply, struct buf *out)
{
    json_t *v;
    size_t i;
    json_array_foreach(json_object_get(reply, "refused"), i, v)
        buf_printf(out, "not sent to %s: %s\n", arg_text(v, "address"), arg_text(v, "why"));
    if (arg_flag(args, "v"))
        buf_printf(out, "The letter has the id %s; `tram trace %s` tells its road.\n", arg_text(reply, "id"),
                   arg_text(reply, "id"));
}
