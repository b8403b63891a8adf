/* compose.c - a message made of fields (RFC 5322, 2045, 2046, 2047, 2183, 2231, 2387, 2392). */
#include "compose.h"

#include <stdio.h>

#include "base/text.h"
#include "dns/dns.h"
#include "html_text.h"
#include "mail/addr.h"
#include "mail/build.h"
#include "mail/encoded.h"
#include "mail/fold.h"
#include "mail/lines.h"

enum {
    LINE_WANTED = 78,
    LINE_MOST = 998,
    BLANKS_MOST = 60, /* in a row; folding must not leave a line of blanks (RFC 5322 section 3.2.2) */
    READ_STEP = 48 * 1024,
    PARAM_STEP = 60, /* digits of a file's name in one parameter (RFC 2231 section 3) */
};

struct maker {
    struct arena *a;
    const struct compose *c;
    struct composed *out;
    size_t room;
    struct buf b;                /* the piece at hand */
    struct compose_part *choice; /* the texts of which a reader shows one, the plainest first */
    size_t nchoices, html;       /* html: its index, or SL_NONE */
    uint64_t seed;
};

/* ---- judging ---- */

int compose_check_text(struct slice s, size_t max, const char *what)
{
    s = sl_trim(s);
    if (s.n > max) return err_set(ERR_TOO_LONG, "%s is longer than %zu bytes", what, max);
    if (!utf8_valid(s)) return err_set(ERR_SYNTAX, "%s is not valid UTF-8", what);
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\r' || s.p[i] == '\n') return err_set(ERR_SYNTAX, "%s must not hold a line end", what);
        if (!s.p[i]) return err_set(ERR_SYNTAX, "%s must not hold a NUL", what);
    }
    return 0;
}

int compose_check_address(struct arena *a, struct slice email, const char *what)
{
    struct slice local, domain, ascii;
    int e = mail_addr_split(a, email, &local, &domain);
    if (e == 0 && domain.p[0] != '[') e = dns_to_ascii(a, domain, &ascii);
    if (e < 0) return err_prefix(e, "%s", what);
    return 0;
}

static bool is_token(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= 32 || s.p[i] >= 127 || strchr("()<>@,;:\\\"/[]?=", s.p[i])) return false;
    return s.n > 0;
}

int compose_check_type(struct arena *a, struct slice type, const char *what)
{
    int e = compose_check_text(type, COMPOSE_FILENAME_MAX, what);
    if (e < 0) return e;
    struct mime_value v;
    mime_value_parse(a, type, &v);
    size_t slash = sl_chr(v.value, '/');
    if (slash == SL_NONE || !is_token(sl_sub(v.value, 0, slash)) || !is_token(sl_from(v.value, slash + 1)))
        return err_set(ERR_SYNTAX, "%s is no media type like text/plain", what);
    for (size_t i = 0; i < v.n; i++)
        if (!is_token(v.param[i].name) || !is_ascii(v.param[i].value))
            return err_set(ERR_SYNTAX, "a parameter of %s is malformed", what);
    return 0;
}

/* Fields that only this file, the signer or the transport may write. */
static bool is_ours(struct slice name)
{
    static const struct slice names[] = {SL_INIT("from"),
                                         SL_INIT("sender"),
                                         SL_INIT("reply-to"),
                                         SL_INIT("to"),
                                         SL_INIT("cc"),
                                         SL_INIT("bcc"),
                                         SL_INIT("subject"),
                                         SL_INIT("date"),
                                         SL_INIT("message-id"),
                                         SL_INIT("received"),
                                         SL_INIT("return-path"),
                                         SL_INIT("mime-version"),
                                         SL_INIT("received-spf"),
                                         SL_INIT("delivered-to"),
                                         SL_INIT("dkim-signature"),
                                         SL_INIT("authentication-results"),
                                         SL_INIT("x-listed"),
                                         SL_INIT("x-junk")};
    if (sl_startsi(name, SL("content-")) || sl_startsi(name, SL("resent-")) || sl_startsi(name, SL("arc-")))
        return true;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (sl_eqi(name, names[i])) return true;
    return false;
}

/* Fields whose words are addresses or identifiers: nothing in them may be encoded (RFC 2047 section 5, RFC
 * 2369). */
static bool is_structured(struct slice name)
{
    return (sl_startsi(name, SL("list-")) && !sl_eqi(name, SL("list-id"))) ||
           sl_eqi(name, SL("references")) || sl_eqi(name, SL("in-reply-to"));
}

static bool has_long_word(struct slice s)
{
    struct slice word;
    while (sl_next(&s, ' ', &word))
        if (word.n > LINE_MOST - 100) return true;
    return false;
}

int compose_check_header(struct slice name, struct slice value)
{
    char what[160];
    for (size_t i = 0; i < name.n; i++)
        if (!is_alnum(name.p[i]) && (!name.p[i] || !strchr("-_.", name.p[i])))
            return err_set(ERR_SYNTAX, "the name of a header may hold letters, digits and - _ . only");
    if (!name.n || name.n > 76) return err_set(ERR_SYNTAX, "the name of a header has 1 to 76 characters");
    if (is_ours(name)) return err_set(ERR_DENIED, "the header %.*s cannot be set by hand", SLF(name));
    snprintf(what, sizeof what, "the header %.*s", SLF(name));
    int e = compose_check_text(value, COMPOSE_VALUE_MAX, what);
    if (e < 0) return e;
    if (is_structured(name) && !is_ascii(value))
        return err_set(ERR_SYNTAX, "%s must be ASCII, for nothing in it can be encoded", what);
    if (is_ascii(value) && has_long_word(value))
        return err_set(ERR_TOO_LONG, "%s holds a word that is longer than a line may be", what);
    return 0;
}

static int check_list(struct arena *a, struct compose_addrs l, const char *field)
{
    char what[80];
    for (size_t i = 0; i < l.n; i++) {
        snprintf(what, sizeof what, "address %zu of %s", i + 1, field);
        int e = compose_check_address(a, l.v[i].email, what);
        snprintf(what, sizeof what, "name %zu of %s", i + 1, field);
        if (e == 0) e = compose_check_text(l.v[i].name, COMPOSE_NAME_MAX, what);
        if (e < 0) return e;
    }
    return 0;
}

static struct slice bare_id(struct slice s)
{
    return s.n > 2 && s.p[0] == '<' && s.p[s.n - 1] == '>' ? sl_sub(s, 1, s.n - 1) : s;
}

static bool is_content_id(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= 32 || s.p[i] >= 127 || strchr("<>()\\\"", s.p[i])) return false;
    return s.n <= 250;
}

int compose_check_content_id(struct slice id)
{
    if (is_content_id(bare_id(id))) return 0;
    return err_set(ERR_SYNTAX, "a Content-ID may hold printable ASCII without blanks only");
}

static int check_file(struct arena *a, const struct compose_file *f, size_t i)
{
    char what[80];
    snprintf(what, sizeof what, "the type of attachment %zu", i + 1);
    int e = f->type.n ? compose_check_type(a, f->type, what) : 0;
    snprintf(what, sizeof what, "the name of attachment %zu", i + 1);
    if (e == 0) e = compose_check_text(f->name, COMPOSE_FILENAME_MAX, what);
    if (e == 0) e = compose_check_content_id(f->content_id);
    return e;
}

static int check_body(struct arena *a, const struct compose *c)
{
    char what[80];
    if (!utf8_valid(c->text)) return err_set(ERR_SYNTAX, "the text is not valid UTF-8");
    if (!utf8_valid(c->html)) return err_set(ERR_SYNTAX, "the HTML is not valid UTF-8");
    if (c->nparts > COMPOSE_PARTS_MAX)
        return err_set(ERR_LIMIT, "there are more than %d parts", COMPOSE_PARTS_MAX);
    for (size_t i = 0; i < c->nparts; i++) {
        snprintf(what, sizeof what, "the type of content part %zu", i + 1);
        int e = compose_check_type(a, c->part[i].type, what);
        if (e < 0) return e;
        if (!utf8_valid(c->part[i].text))
            return err_set(ERR_SYNTAX, "content part %zu is not valid UTF-8", i + 1);
    }
    if (c->nfiles > COMPOSE_FILES_MAX)
        return err_set(ERR_LIMIT, "there are more than %d attachments", COMPOSE_FILES_MAX);
    for (size_t i = 0; i < c->nfiles; i++) {
        int e = check_file(a, &c->file[i], i);
        if (e < 0) return e;
    }
    return 0;
}

static int check(struct arena *a, const struct compose *c)
{
    const struct {
        struct compose_addrs list;
        const char *field;
    } lists[] = {{{&c->from, 1}, "From"},
                 {{&c->sender, c->sender.email.n ? 1 : 0}, "Sender"},
                 {c->to, "To"},
                 {c->cc, "Cc"},
                 {c->reply_to, "Reply-To"}};
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        int e = check_list(a, lists[i].list, lists[i].field);
        if (e < 0) return e;
    }
    int e = compose_check_text(c->subject, COMPOSE_VALUE_MAX, "the subject");
    if (e < 0) return e;
    if (c->nheaders > COMPOSE_HEADERS_MAX)
        return err_set(ERR_LIMIT, "there are more than %d headers", COMPOSE_HEADERS_MAX);
    for (size_t i = 0; i < c->nheaders; i++) {
        e = compose_check_header(c->header[i].name, c->header[i].value);
        if (e < 0) return e;
    }
    struct slice id = bare_id(c->message_id);
    if (id.n == c->message_id.n || !is_content_id(id))
        return err_set(ERR_SYNTAX, "the Message-ID is malformed");
    return check_body(a, c);
}

/* ---- fields ---- */

/* Without blanks at the ends and in long rows. */
static struct slice squeeze(struct arena *a, struct slice s)
{
    s = sl_trim(s);
    char *to = ar_alloc(a, s.n + 1);
    size_t n = 0, row = 0;
    for (size_t i = 0; i < s.n; i++) {
        row = s.p[i] == ' ' || s.p[i] == '\t' ? row + 1 : 0;
        if (row <= BLANKS_MOST) to[n++] = s.p[i];
    }
    return sl(to, n);
}

/* "Name <local@domain>"; the domain in A-labels, so that only a local part asks for SMTPUTF8. */
static struct slice address(struct maker *m, const struct compose_addr *who)
{
    struct slice local, domain, spec = SL("");
    if (mail_addr_split(m->a, who->email, &local, &domain) == 0 &&
        (is_ascii(domain) || dns_to_ascii(m->a, domain, &domain) == 0))
        spec = mail_addr_join(m->a, local, domain);
    if (!is_ascii(local)) m->out->utf8 = true;
    struct slice name = squeeze(m->a, who->name);
    if (!name.n) return spec;
    struct slice phrase = mail_phrase_encode(m->a, name);
    return ar_printf(m->a, "%.*s <%.*s>", SLF(phrase), SLF(spec));
}

static void put_list(struct maker *m, struct slice name, struct compose_addrs l)
{
    struct buf list = BUF_INIT;
    for (size_t i = 0; i < l.n; i++) {
        if (i) buf_str(&list, ", ");
        buf_put(&list, address(m, &l.v[i]));
    }
    if (l.n) mail_field(&m->b, name, buf_slice(&list));
    buf_free(&list);
}

static void put_header(struct maker *m, const struct compose_header *h)
{
    struct slice value = squeeze(m->a, h->value);
    bool as_it_is = is_ascii(value); /* what looks like encoded-words was encoded by the application */
    mail_field(&m->b, h->name, as_it_is ? value : mail_text_encode(m->a, value));
}

static void put_fields(struct maker *m)
{
    const struct compose *c = m->c;
    mail_date_field(&m->b, SL("Date"), c->date);
    put_list(m, SL("From"), (struct compose_addrs){&c->from, 1});
    if (c->sender.email.n) put_list(m, SL("Sender"), (struct compose_addrs){&c->sender, 1});
    put_list(m, SL("Reply-To"), c->reply_to);
    put_list(m, SL("To"), c->to);
    put_list(m, SL("Cc"), c->cc);
    if (!c->to.n && !c->cc.n) buf_str(&m->b, "To: undisclosed-recipients:;\r\n");
    mail_field(&m->b, SL("Subject"), mail_text_encode(m->a, squeeze(m->a, c->subject)));
    mail_field(&m->b, SL("Message-ID"), c->message_id);
    for (size_t i = 0; i < c->nheaders; i++) put_header(m, &c->header[i]);
    buf_str(&m->b, "MIME-Version: 1.0\r\n");
}

/* ---- texts ---- */

/* With CR LF at the end of each line, the last one too. */
static struct slice right_lines(struct arena *a, struct slice text)
{
    struct mail_lines l = {0};
    struct buf b = BUF_INIT;
    struct slice run;
    while (mail_lines_next(&l, &text, &run)) buf_put(&b, run);
    buf_put(&b, mail_lines_end(&l));
    struct slice r = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return r;
}

/* Can the text stand as it is: ASCII, short lines, nothing that a mailbox file or a boundary begins with? */
static bool stands(struct slice text, size_t longest)
{
    struct slice line;
    while (sl_next(&text, '\n', &line)) {
        if (line.n > longest + 1 || sl_starts(line, SL("From ")) || sl_starts(line, SL("--=_"))) return false;
        for (size_t i = 0; i < line.n; i++)
            if ((unsigned char)line.p[i] >= 127 || (line.p[i] < 32 && line.p[i] != '\t' && line.p[i] != '\r'))
                return false;
    }
    return true;
}

static enum mime_encoding encoding_for(struct slice text)
{
    size_t odd = 0;
    if (stands(text, LINE_WANTED)) return MIME_7BIT;
    for (size_t i = 0; i < text.n; i++) odd += (unsigned char)text.p[i] >= 127 || text.p[i] == '=';
    return text.n + 2 * odd <= text.n / 3 * 4 + text.n / 19 ? MIME_QP : MIME_BASE64;
}

/* The field Content-Type: type with its parameters written safely; a text says that it is UTF-8. */
static void put_type(struct maker *m, struct slice type, bool text)
{
    struct mime_value v;
    struct buf b = BUF_INIT;
    mime_value_parse(m->a, type, &v);
    buf_put(&b, v.value);
    if (text) buf_str(&b, "; charset=utf-8");
    for (size_t i = 0; i < v.n; i++) {
        if (sl_eqi(v.param[i].name, SL("charset")) && text) continue;
        if (sl_eqi(v.param[i].name, SL("boundary")) || sl_startsi(v.param[i].name, SL("name"))) continue;
        buf_str(&b, "; ");
        buf_put(&b, v.param[i].name);
        buf_char(&b, '=');
        buf_put(&b, fold_value(m->a, v.param[i].value));
    }
    mail_field(&m->b, SL("Content-Type"), buf_slice(&b));
    buf_free(&b);
}

static void put_text(struct maker *m, const struct compose_part *p)
{
    static const char *const names[] = {
        [MIME_7BIT] = "7bit", [MIME_QP] = "quoted-printable", [MIME_BASE64] = "base64"};
    struct slice text = right_lines(m->a, p->text);
    enum mime_encoding how = encoding_for(text);
    struct mime_encoder e;
    put_type(m, p->type, true);
    buf_printf(&m->b, "Content-Transfer-Encoding: %s\r\n\r\n", names[how]);
    mime_encode_begin(&e, how);
    mime_encode(&e, text, &m->b);
    mime_encode_end(&e, &m->b);
}

/* ---- files ---- */

static void piece(struct maker *m, struct slice bytes, const struct compose_file *file, uint64_t size)
{
    struct composed *o = m->out;
    if (!size) return;
    if (o->n == m->room) o->piece = ar_grow(m->a, o->piece, &m->room, sizeof *o->piece);
    o->piece[o->n++] = (struct compose_piece){bytes, file};
    o->size += size;
}

static void cut(struct maker *m)
{
    struct slice s = ar_dup(m->a, buf_slice(&m->b));
    piece(m, s, NULL, s.n);
    buf_clear(&m->b);
}

static uint64_t size64(uint64_t n)
{
    uint64_t lines = (n + 56) / 57;
    return (n + 2) / 3 * 4 + (lines ? lines - 1 : 0) * 2;
}

/* The name in printable ASCII that a quoted-string needs no escapes for. */
static struct slice plain_name(struct arena *a, struct slice name)
{
    char *to = ar_alloc(a, name.n + 1);
    size_t n = 0;
    uint32_t cp;
    for (; name.n; n++) {
        if (!utf8_next(&name, &cp)) name = sl_from(name, 1), cp = '/'; /* no UTF-8 */
        bool word = cp == '?' && n && to[n - 1] == '=';                /* some decode encoded words in it */
        to[n] = cp < 32 || cp > 126 || word || strchr("\"\\/%", (int)cp) ? '_' : (char)cp;
    }
    return sl(to, n);
}

/* The rest of attr-char of RFC 2231 section 7; so a % is always the first of three. */
static const char attr_char[] = "!#$&+-.^_`{|}~";

/* filename*=utf-8''... (RFC 2231 section 4), in several parameters when it is long (section 4.1), cut between
 * characters. */
static void put_extended_name(struct buf *b, struct slice name)
{
    struct buf one = BUF_INIT;
    unsigned count = 0;
    bool whole = 3 * name.n <= PARAM_STEP;
    for (struct slice rest = name; rest.n;) {
        buf_clear(&one);
        while (rest.n && one.n + 12 <= (whole ? 4 * PARAM_STEP : PARAM_STEP)) {
            struct slice next = rest;
            uint32_t cp;
            if (!utf8_next(&next, &cp)) next = sl_from(rest, 1), cp = '/'; /* no UTF-8 */
            if (cp < 32 || cp == 127 || cp == '/' || cp == '\\') buf_char(&one, '_');
            else percent_encode(&one, sl(rest.p, rest.n - next.n), attr_char);
            rest = next;
        }
        if (whole) buf_printf(b, "; filename*=utf-8''%.*s", SLF(buf_slice(&one)));
        else buf_printf(b, "; filename*%u*=%s%.*s", count, count ? "" : "utf-8''", SLF(buf_slice(&one)));
        count++;
    }
    buf_free(&one);
}

static void put_disposition(struct maker *m, const struct compose_file *f)
{
    struct buf b = BUF_INIT;
    struct slice name = sl_trim(f->name), plain = plain_name(m->a, name);
    buf_str(&b, f->is_inline ? "inline" : "attachment");
    if (name.n) buf_printf(&b, "; filename=\"%.*s\"", SLF(plain));
    if (!sl_eq(name, plain)) put_extended_name(&b, name);
    mail_field(&m->b, SL("Content-Disposition"), buf_slice(&b));
    buf_free(&b);
}

/* A message may not be encoded (RFC 2046 section 5.2.1), nor what has parts (RFC 2045 section 6.4): as it is
 * when that is possible, else as bytes without a meaning. */
static bool as_it_is(const struct compose_file *f)
{
    return sl_startsi(f->type, SL("message/rfc822")) && f->bytes.p && f->bytes.n == f->size &&
           sl_find(f->bytes, SL("--=_")) == SL_NONE && stands(f->bytes, LINE_MOST);
}

static void put_file(struct maker *m, const struct compose_file *f)
{
    bool plain = as_it_is(f);
    bool opaque = !f->type.n || sl_startsi(f->type, SL("multipart/")) ||
                  (sl_startsi(f->type, SL("message/")) && !plain);
    put_type(m, opaque ? SL("application/octet-stream") : f->type, false);
    put_disposition(m, f);
    struct slice id = bare_id(f->content_id);
    if (id.n) mail_field(&m->b, SL("Content-ID"), ar_printf(m->a, "<%.*s>", SLF(id)));
    buf_printf(&m->b, "Content-Transfer-Encoding: %s\r\n\r\n", plain ? "7bit" : "base64");
    if (plain) {
        buf_put(&m->b, right_lines(m->a, f->bytes));
        return;
    }
    cut(m);
    piece(m, SL(""), f, size64(f->size));
}

/* ---- the tree: mixed of (related of (alternative of texts) and their images) and files ---- */

static bool belongs_to_html(const struct maker *m, const struct compose_file *f)
{
    return m->html != SL_NONE && f->is_inline && f->content_id.n;
}

static size_t count_files(const struct maker *m, bool of_html)
{
    size_t n = 0;
    for (size_t i = 0; i < m->c->nfiles; i++) n += belongs_to_html(m, &m->c->file[i]) == of_html;
    return n;
}

static void begin_multipart(struct maker *m, const char *kind, const char *params)
{
    struct slice type = ar_printf(m->a, "multipart/%s;%s boundary=\"=_%s_%016llx\"", kind, params, kind,
                                  (unsigned long long)m->seed);
    mail_field(&m->b, SL("Content-Type"), type);
    buf_str(&m->b, "\r\n");
}

static void boundary(struct maker *m, const char *kind, bool last)
{
    buf_printf(&m->b, "\r\n--=_%s_%016llx%s\r\n", kind, (unsigned long long)m->seed, last ? "--" : "");
}

static void put_files(struct maker *m, const char *kind, bool of_html)
{
    for (size_t i = 0; i < m->c->nfiles; i++) {
        if (belongs_to_html(m, &m->c->file[i]) != of_html) continue;
        boundary(m, kind, false);
        put_file(m, &m->c->file[i]);
    }
    boundary(m, kind, true);
}

static void put_alternative(struct maker *m)
{
    static const char kind[] = "alternative";
    if (m->nchoices == 1) {
        put_text(m, &m->choice[0]);
        return;
    }
    begin_multipart(m, kind, "");
    for (size_t i = 0; i < m->nchoices; i++) {
        boundary(m, kind, false);
        put_text(m, &m->choice[i]);
    }
    boundary(m, kind, true);
}

static void put_related(struct maker *m)
{
    static const char kind[] = "related";
    if (!count_files(m, true)) {
        put_alternative(m);
        return;
    }
    /* RFC 2387 section 3.1: the type of the part that is shown */
    begin_multipart(m, kind, m->nchoices == 1 ? " type=\"text/html\";" : " type=\"multipart/alternative\";");
    boundary(m, kind, false);
    put_alternative(m);
    put_files(m, kind, true);
}

static void put_mixed(struct maker *m)
{
    static const char kind[] = "mixed";
    if (!count_files(m, false)) {
        put_related(m);
        return;
    }
    begin_multipart(m, kind, "");
    if (m->nchoices) {
        boundary(m, kind, false);
        put_related(m);
    }
    put_files(m, kind, false);
}

/* ---- which texts there are ---- */

static void choose(struct maker *m, struct slice type, struct slice text)
{
    m->choice[m->nchoices++] = (struct compose_part){type, text};
}

static struct slice text_of_html(struct maker *m)
{
    struct buf b = BUF_INIT;
    html_text(&b, m->c->html);
    struct slice s = ar_dup(m->a, buf_slice(&b));
    buf_free(&b);
    return s;
}

/* From the plainest to the richest (RFC 2046 section 5.1.4); AMP stands before HTML, as its readers ask for.
 */
static void choose_texts(struct maker *m)
{
    const struct compose *c = m->c;
    m->choice = ar_array(m->a, struct compose_part, c->nparts + 2);
    m->html = SL_NONE;
    if (c->text.p || c->html.p) choose(m, SL("text/plain"), c->text.p ? c->text : text_of_html(m));
    for (size_t i = 0; i < c->nparts; i++)
        if (sl_startsi(c->part[i].type, SL("text/x-amp-html"))) choose(m, c->part[i].type, c->part[i].text);
    if (c->html.p) {
        m->html = m->nchoices;
        choose(m, SL("text/html"), c->html);
    }
    for (size_t i = 0; i < c->nparts; i++)
        if (!sl_startsi(c->part[i].type, SL("text/x-amp-html"))) choose(m, c->part[i].type, c->part[i].text);
    if (!m->nchoices && !c->nfiles) choose(m, SL("text/plain"), SL(""));
}

int compose_message(struct arena *a, const struct compose *c, struct composed *out)
{
    struct maker m = {.a = a, .c = c, .out = out, .seed = hash_stable(c->message_id, false)};
    *out = (struct composed){0};
    int e = check(a, c);
    if (e < 0) return e;
    choose_texts(&m);
    put_fields(&m);
    put_mixed(&m);
    bool ended = !m.b.n || sl_ends(buf_slice(&m.b), SL("\r\n"));
    if (!ended) buf_str(&m.b, "\r\n");
    cut(&m);
    buf_free(&m.b);
    return 0;
}

/* ---- reading ---- */

static void read_file(struct compose_reader *r, const struct compose_file *f, struct buf *out)
{
    struct slice step = sl_sub(f->bytes, r->done, r->done + READ_STEP);
    if (!r->done) mime_encode_begin(&r->encoder, MIME_BASE64);
    mime_encode(&r->encoder, step, out);
    r->done += step.n;
    if (r->done >= f->bytes.n) mime_encode_end(&r->encoder, out);
}

bool compose_read(struct compose_reader *r, struct buf *out)
{
    if (r->at == r->message->n) return false;
    const struct compose_piece *p = &r->message->piece[r->at];
    size_t size = p->file ? p->file->bytes.n : p->bytes.n;
    if (p->file) {
        read_file(r, p->file, out);
    } else {
        struct slice step = sl_sub(p->bytes, r->done, r->done + READ_STEP);
        buf_put(out, step);
        r->done += step.n;
    }
    if (r->done >= size) {
        r->at++;
        r->done = 0;
    }
    return true;
}
