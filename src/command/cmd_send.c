/* cmd_send.c - send: a letter from standard input goes the same way as one that was submitted
 * (sendmail(8) habits; also when the program is called `sendmail`). */
#include "base/text.h"
#include "cmd.h"
#include "core/core.h"
#include "intake/intake.h"
#include "mail/addr.h"
#include "mail/handed.h"
#include "mail/lines.h"
#include "store/store.h"

struct sending {
    struct request *r;
    struct mail_lines lines; /* until the header section has ended */
    struct buf head;         /* until the empty line */
    bool head_done;
    size_t line_at;  /* where its last line begins */
    json_t *refused; /* addresses that are nobody's, each with the reason */
    json_t *told;    /* -b v: the others, each with where letters to it go; else NULL */
    struct slice sender;
    struct intake_letter letter;
    struct account account; /* of a user who may do only what is theirs, when one bears that name */
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

/* Where letters to it go: the recipients from `first` on came with it; none, when others stand for it
 * already. Other users of the machine hear that they go, not where: that is the operator's. */
static void tell_routes(struct sending *s, struct slice address, size_t first)
{
    json_t *o = json_object(), *list = json_array();
    reply_text(o, "address", address);
    if (!s->r->login) json_object_set(o, "routes", list);
    for (size_t i = first; i < s->letter.nrcpt; i++) {
        json_t *to = json_object();
        const struct route *way = &s->letter.rcpt[i].route;
        reply_text(to, "address", way->address);
        json_object_set_new(to, "local", json_boolean(way->local));
        json_array_append_new(list, to);
    }
    json_decref(list);
    json_array_append_new(s->told, o);
}

/* A bad address is told and holds nobody else back; what may pass fails the whole, nothing is sent. */
static int add_recipient(struct sending *s, const struct mail_addr *m)
{
    struct arena *a = s->r->a;
    struct slice spec = mail_addr_spec(a, m);
    struct intake_to to = {.notify = notify_of(arg_slice(s->r->args, "N"))};
    struct intake_refusal no = {.error = mail_addr_split(a, spec, &to.local, &to.domain)};
    size_t before = s->letter.nrcpt;
    if (!no.error && !is_ascii(to.domain)) no.error = dns_to_ascii(a, to.domain, &to.domain);
    if (no.error) no.text = sl_cstr(err_text(no.error));
    else no = intake_rcpt(&s->letter, &to, a);
    if (!no.error && s->told) tell_routes(s, spec, before);
    if (!no.error) return 0;
    if (err_is_temporary(no.error)) return err_set(no.error, "%.*s", SLF(no.text));
    json_t *bad = json_object();
    reply_text(bad, "address", spec);
    reply_text(bad, "why", no.text);
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
    for (size_t i = 0; !e && i < addrs.n; i++) e = add_recipient(s, &addrs.v[i]);
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
    json_array_foreach(list, i, v)
        if (!e) e = add_recipients(s, sl_cstr(json_string_value(v)));
    for (i = 0; !e && i < COUNT_OF(names) && arg_flag(s->r->args, "t"); i++)
        e = add_recipients_of(s, h, resent ? again[i] : names[i]);
    if (e || s->letter.nsaid) return e;
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

int bind_to_login(struct request *r, struct account *account, struct intake_from *from)
{
    if (!r->login) return 0;
    from->login = sl_cstr(r->login);
    from->login_domain = core_domain(r->core, r->a);
    int e = account_read(r->core->store->directory, r->a, ar_lower(r->a, from->login), from->login_domain,
                         account);
    if (e) return e == ERR_NOT_FOUND ? 0 : e;
    if (account->disabled)
        return err_set(ERR_DENIED, "the account %s@%.*s is disabled", r->login, SLF(from->login_domain));
    from->account = account;
    return 0;
}

static int begin(struct sending *s)
{
    struct request *r = s->r;
    struct slice ret = arg_slice(r->args, "R");
    struct intake_from from = {.origin = INTAKE_PROGRAM,
                               .by =
                                   ar_printf(r->a, "%.*s with `tram send`", SLF(arg_slice(r->args, "user")))};
    struct intake_sender sender = {.envid = sl_sub(arg_slice(r->args, "V"), 0, 100),
                                   .ret = sl_eqi(ret, SL("full"))   ? SL("FULL")
                                          : sl_eqi(ret, SL("hdrs")) ? SL("HDRS")
                                                                    : SL("")};
    int e = s->sender.n ? mail_addr_split(r->a, s->sender, &sender.local, &sender.domain) : 0;
    if (!e) e = bind_to_login(r, &s->account, &from);
    if (e) return e;
    struct intake_refusal no = intake_begin(&s->letter, r->core->intake, &from, &sender, r->a);
    return no.code ? err_set(no.error, "%.*s", SLF(no.text)) : 0;
}

/* The whole header section is here: it becomes one that can be sent, and goes in. */
static int head_complete(struct sending *s)
{
    struct arena *a = s->r->a;
    struct slice raw = ar_dup(a, buf_slice(&s->head)), from;
    struct mail_head handed;
    struct buf fit = BUF_INIT;
    int e = take_sender(s, &from);
    if (!e) e = begin(s);
    if (!e) e = mail_head_parse(a, raw, &handed);
    if (!e) e = take_recipients(s, &handed);
    if (!e) e = mail_handed_head(a, raw, core_domain(s->r->core, a), from, &fit);
    if (!e) {
        buf_str(&fit, "\r\n");
        intake_bytes(&s->letter, buf_slice(&fit));
    }
    buf_free(&fit);
    return e;
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

/* One piece of what may be the header section, its lines mended; what is behind it goes in. */
static int take_run(struct sending *s, struct slice run)
{
    struct slice line = SL("");
    int e = take_head(s, &run, &line);
    if (e || !s->head_done) return e;
    e = head_complete(s);
    if (e) return e;
    intake_bytes(&s->letter, line);
    intake_bytes(&s->letter, run);
    return 0;
}

static int take_bytes(struct sending *s, struct slice in)
{
    struct slice run;
    int e = 0;
    while (!e && !s->head_done && mail_lines_next(&s->lines, &in, &run)) e = take_run(s, run);
    if (!e && s->head_done) intake_bytes(&s->letter, in);
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
    if (e || s->head_done) return e;
    e = take_run(s, mail_lines_end(&s->lines));
    return e || s->head_done ? e : head_complete(s);
}

/* What SMTP would say about it, as the answer of a command. */
static int end(struct sending *s)
{
    int e = intake_end(&s->letter);
    return e && e != ERR_UNKNOWN ? err_set(e, "%.*s", SLF(s->letter.refusal.text)) : e;
}

/* -bv */
bool send_only_asks(json_t *args) { return strcmp(arg_text(args, "b"), "v") == 0; }

/* sendmail -bv: no letter is read and none goes; who would get it is answered as RCPT is. */
static int verify_addresses(struct request *r)
{
    struct sending s = {.r = r, .refused = json_array(), .told = json_array()};
    struct slice from;
    json_t *v;
    size_t i;
    int e = take_sender(&s, &from);
    if (!e) e = begin(&s);
    json_array_foreach(json_object_get(r->args, "recipients"), i, v)
        if (!e) e = add_recipients(&s, sl_cstr(json_string_value(v)));
    bool none = !json_array_size(s.refused) && !json_array_size(s.told),
         some = json_array_size(s.refused) > 0;
    json_object_set_new(r->reply, "deliverable", s.told);
    json_object_set_new(r->reply, "refused", s.refused);
    intake_free(&s.letter);
    if (!e && none)
        return err_set(ERR_USAGE, "-b v names no recipient: each is told whether letters to it go");
    return e ? e : some ? NO : 0;
}

int run_send(struct request *r)
{
    if (send_only_asks(r->args)) return verify_addresses(r);
    struct sending s = {.r = r, .refused = json_array()};
    int e = read_all(&s);
    if (!e) e = end(&s);
    buf_free(&s.head);
    bool some = json_array_size(s.refused) > 0;
    if (!e) {
        reply_text(r->reply, "id", sl_cstr(s.letter.id.s));
        if (some) json_object_set(r->reply, "refused", s.refused);
    }
    json_decref(s.refused);
    intake_free(&s.letter);
    return e ? e : some ? NO : 0;
}

static void print_verified(json_t *reply, struct buf *out)
{
    json_t *v, *to;
    size_t i, k;
    json_array_foreach(json_object_get(reply, "deliverable"), i, v) {
        json_t *routes = json_object_get(v, "routes");
        buf_printf(out, "%s... deliverable", arg_text(v, "address"));
        json_array_foreach(routes, k, to)
            buf_printf(out, "%s %s %s", k ? "," : ":", arg_flag(to, "local") ? "here, to" : "elsewhere, to",
                       arg_text(to, "address"));
        buf_str(out, !routes || json_array_size(routes) ? "\n" : ": to one that was named before\n");
    }
    json_array_foreach(json_object_get(reply, "refused"), i, v)
        buf_printf(out, "%s... not deliverable: %s\n", arg_text(v, "address"), arg_text(v, "why"));
}

/* Nothing is said when all went well, as programs expect that call sendmail; -v names the id. */
void print_send(json_t *args, json_t *reply, struct buf *out)
{
    json_t *v;
    size_t i;
    if (send_only_asks(args)) {
        print_verified(reply, out);
        return;
    }
    json_array_foreach(json_object_get(reply, "refused"), i, v)
        buf_printf(out, "not sent to %s: %s\n", arg_text(v, "address"), arg_text(v, "why"));
    if (arg_flag(args, "v"))
        buf_printf(out, "The letter has the id %s; `tram trace %s` tells its road.\n", arg_text(reply, "id"),
                   arg_text(reply, "id"));
}
