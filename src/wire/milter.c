/* milter.c - packets of the milter protocol. */
#include "milter.h"

#include "base/text.h"
#include "smtp.h"

/* ---- reading ---- */

static uint32_t be32(const char *p)
{
    const uint8_t *u = (const uint8_t *)p;
    return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

int milter_packet(struct slice in, size_t *size)
{
    *size = 0;
    if (in.n < 4) return 0;
    uint32_t n = be32(in.p);
    if (!n) return err_set(ERR_SYNTAX, "it sent a packet without a command");
    if (n > MILTER_PACKET_MAX)
        return err_set(ERR_TOO_LONG, "it sent a packet of %u bytes, more than %d", n, MILTER_PACKET_MAX);
    if (in.n - 4 >= n) *size = (size_t)n + 4;
    return 0;
}

/* Texts without their NUL are cut short by nobody who means well. */
static int take_text(struct slice *rest, struct slice *out)
{
    size_t at = sl_chr(*rest, 0);
    if (at == SL_NONE) return err_set(ERR_SYNTAX, "it sent a text without its end");
    *out = sl_sub(*rest, 0, at);
    *rest = sl_from(*rest, at + 1);
    return 0;
}

static int take_number(struct slice *rest, uint32_t *out)
{
    if (rest->n < 4) return err_set(ERR_SYNTAX, "it sent a packet that is too short");
    *out = be32(rest->p);
    *rest = sl_from(*rest, 4);
    return 0;
}

/* mfdef.h: MILTER_OPTLEN, then for each stage its number and names of macros. */
static int take_options(struct slice rest, struct milter_options *o)
{
    int e = take_number(&rest, &o->version);
    if (!e) e = take_number(&rest, &o->actions);
    if (!e) e = take_number(&rest, &o->protocol);
    if (e) return e;
    if (o->version < MILTER_VERSION_LEAST || o->version > MILTER_VERSION)
        return err_set(ERR_UNSUPPORTED, "it speaks version %u of the protocol", o->version);
    if (o->actions & ~(uint32_t)MILTER_ACTIONS || o->protocol & ~(uint32_t)MILTER_PROTOCOL)
        return err_set(ERR_UNSUPPORTED, "it asks for more than was offered: actions %x, protocol %x",
                       o->actions, o->protocol);
    while (!e && rest.n) {
        uint32_t stage;
        struct slice names;
        e = take_number(&rest, &stage);
        if (!e) e = take_text(&rest, &names);
        if (!e && stage < MILTER_STAGES) o->macros[stage] = names;
    }
    return e;
}

static bool is_code(struct slice s)
{
    return s.n >= 3 && (s.p[0] == '4' || s.p[0] == '5') && s.p[1] >= '0' && s.p[1] <= '5' && is_digit(s.p[2]);
}

/* RFC 3463: the code in front of the words, of the class of the reply. */
static struct slice take_enhanced(struct slice line, struct milter_reply *r)
{
    uint16_t v[3];
    size_t n;
    if (!smtp_enhanced_parse(line, v, &n)) return line;
    if (line.p[0] == '0' + r->code / 100 && n < sizeof r->enhanced) {
        memcpy(r->enhanced, line.p, n);
        r->enhanced[n] = 0;
    }
    return sl_trim(sl_from(line, n));
}

/* What cannot stand in a reply (RFC 5321 section 4.2) becomes a question mark. */
static void put_words(struct buf *b, struct slice line)
{
    for (size_t i = 0; i < line.n; i++) buf_char(b, line.p[i] >= ' ' && line.p[i] < 127 ? line.p[i] : '?');
}

/* "550 5.7.1 words", or "550-5.7.1 words" CR LF "550 5.7.1 words": smfi_setreply(), smfi_setmlreply(). */
int milter_code_parse(struct arena *a, struct slice text, struct milter_reply *r)
{
    struct buf b = BUF_INIT;
    struct slice line;
    unsigned lines = 0;
    if (!is_code(text)) return err_set(ERR_SYNTAX, "it sent a reply that is none: 4xx or 5xx is to begin it");
    if (text.n > MILTER_REPLY_TEXT_MAX) return err_set(ERR_LIMIT, "it sent a reply that is too long");
    r->code = (text.p[0] - '0') * 100 + (text.p[1] - '0') * 10 + (text.p[2] - '0');
    memcpy(r->enhanced, r->code < 500 ? "4.7.1" : "5.7.1", 6);
    while (lines < MILTER_REPLY_LINES_MAX && text.n && sl_next(&text, '\n', &line)) {
        line = sl_rtrim(line);
        if (is_code(line)) line = sl_from(line, line.n > 3 ? 4 : 3);
        if (lines++) buf_char(&b, '\n');
        put_words(&b, take_enhanced(line, r));
    }
    r->text = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return text.n ? err_set(ERR_LIMIT, "it sent a reply of more than %d lines", MILTER_REPLY_LINES_MAX) : 0;
}

bool milter_field_name(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 127 || s.p[i] == ':') return false;
    return s.n > 0 && s.n < 256;
}

static int take_field(struct slice rest, bool indexed, struct milter_reply *r)
{
    int e = indexed ? take_number(&rest, &r->index) : 0;
    if (!e) e = take_text(&rest, &r->name);
    if (!e) e = take_text(&rest, &r->value);
    if (!e && !milter_field_name(r->name))
        e = err_set(ERR_SYNTAX, "it wants a header field whose name is none");
    return e;
}

/* An address in its angles or without; what ESMTP parameters follow is not looked at. */
static int take_address(struct slice rest, struct milter_reply *r)
{
    int e = take_text(&rest, &r->text);
    r->text = sl_trim(r->text);
    if (r->text.n > 1 && r->text.p[0] == '<' && r->text.p[r->text.n - 1] == '>')
        r->text = sl_sub(r->text, 1, r->text.n - 1);
    return e;
}

int milter_reply_parse(struct arena *a, struct slice packet, struct milter_reply *out)
{
    struct slice rest = sl_from(packet, 5);
    *out = (struct milter_reply){.kind = (enum milter_reply_kind)packet.p[4]};
    switch (out->kind) {
    case MILTER_SAYS_OPTIONS: return take_options(rest, &out->options);
    case MILTER_SAYS_CODE: return milter_code_parse(a, sl_sub(rest, 0, strnlen(rest.p, rest.n)), out);
    case MILTER_SAYS_ADD_RCPT:
    case MILTER_SAYS_ADD_RCPT_ARGS:
    case MILTER_SAYS_DELETE_RCPT:
    case MILTER_SAYS_FROM: return take_address(rest, out);
    case MILTER_SAYS_ADD_HEADER: return take_field(rest, false, out);
    case MILTER_SAYS_INSERT_HEADER:
    case MILTER_SAYS_CHANGE_HEADER: return take_field(rest, true, out);
    case MILTER_SAYS_QUARANTINE: return take_text(&rest, &out->text);
    case MILTER_SAYS_BODY: out->text = rest; return 0;
    case MILTER_SAYS_SHUTDOWN:
    case MILTER_SAYS_FAIL:
    case MILTER_SAYS_ACCEPT:
    case MILTER_SAYS_CONTINUE:
    case MILTER_SAYS_DISCARD:
    case MILTER_SAYS_PROGRESS:
    case MILTER_SAYS_REJECT:
    case MILTER_SAYS_SKIP:
    case MILTER_SAYS_TEMPFAIL: return 0;
    }
    return err_set(ERR_SYNTAX, "it sent a packet of the unknown kind %d", (uint8_t)packet.p[4]);
}

uint32_t milter_action_of(enum milter_reply_kind kind)
{
    switch (kind) {
    case MILTER_SAYS_ADD_RCPT: return MILTER_ADD_RCPT;
    case MILTER_SAYS_ADD_RCPT_ARGS: return MILTER_ADD_RCPT_ARGS;
    case MILTER_SAYS_DELETE_RCPT: return MILTER_DELETE_RCPT;
    case MILTER_SAYS_FROM: return MILTER_CHANGE_FROM;
    case MILTER_SAYS_ADD_HEADER:
    case MILTER_SAYS_INSERT_HEADER: return MILTER_ADD_HEADER;
    case MILTER_SAYS_CHANGE_HEADER: return MILTER_CHANGE_HEADER;
    case MILTER_SAYS_BODY: return MILTER_CHANGE_BODY;
    case MILTER_SAYS_QUARANTINE: return MILTER_QUARANTINE;
    default: return 0;
    }
}

/* ---- writing ---- */

static void put_be32(char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) p[i] = (char)(v >> (24 - 8 * i));
}

/* The length is known at the end. */
static size_t begin(struct buf *b, enum milter_command c)
{
    size_t at = b->n;
    buf_bytes(b, "\0\0\0\0", 4);
    buf_char(b, (char)c);
    return at;
}

static void end(struct buf *b, size_t at) { put_be32(b->p + at, (uint32_t)(b->n - at - 4)); }

static void put_number(struct buf *b, uint32_t v)
{
    char p[4];
    put_be32(p, v);
    buf_bytes(b, p, 4);
}

static void put_text(struct buf *b, struct slice s)
{
    buf_put(b, sl_sub(s, 0, sl_chr(s, 0))); /* SL_NONE: all of it */
    buf_char(b, 0);
}

void milter_put(struct buf *b, enum milter_command c, const struct slice *text, size_t n)
{
    size_t at = begin(b, c);
    for (size_t i = 0; i < n; i++) put_text(b, text[i]);
    end(b, at);
}

void milter_put_options(struct buf *b)
{
    size_t at = begin(b, MILTER_OPTIONS);
    put_number(b, MILTER_VERSION);
    put_number(b, MILTER_ACTIONS);
    put_number(b, MILTER_PROTOCOL);
    end(b, at);
}

void milter_put_macros(struct buf *b, enum milter_command c, const struct slice *pair, size_t n)
{
    size_t at = begin(b, MILTER_MACRO);
    buf_char(b, (char)c);
    for (size_t i = 0; i < n; i++) put_text(b, pair[i]);
    end(b, at);
}

void milter_put_connect(struct buf *b, struct slice name, int family, uint16_t port, struct slice address)
{
    size_t at = begin(b, MILTER_CONNECT);
    put_text(b, name);
    buf_char(b, family == 4 ? '4' : family == 6 ? '6' : 'U');
    if (family) {
        buf_char(b, (char)(port >> 8));
        buf_char(b, (char)port);
        put_text(b, address);
    }
    end(b, at);
}

/* Without the CR of each CR LF. */
static void put_with_lf(struct buf *b, struct slice s)
{
    for (size_t i = 0; i < s.n && s.p[i]; i++)
        if (s.p[i] != '\r' || i + 1 == s.n || s.p[i + 1] != '\n') buf_char(b, s.p[i]);
    buf_char(b, 0);
}

void milter_put_header(struct buf *b, struct slice name, struct slice value, bool leading_space)
{
    size_t at = begin(b, MILTER_HEADER);
    put_text(b, name);
    if (!leading_space && value.n && (value.p[0] == ' ' || value.p[0] == '\t')) value = sl_from(value, 1);
    put_with_lf(b, value);
    end(b, at);
}

void milter_put_body(struct buf *b, struct slice bytes)
{
    size_t at = begin(b, MILTER_BODY);
    buf_put(b, bytes);
    end(b, at);
}

/* A line that is folded into nothing but blanks would be read as the end of the header section by some. */
struct slice milter_header_value(struct arena *a, struct slice value, bool leading_space)
{
    struct buf b = BUF_INIT;
    bool fold = false;
    if (!leading_space) buf_char(&b, ' ');
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i] ? value.p[i] : ' ';
        if (c == '\r' || c == '\n') {
            fold = true;
        } else if (!fold) {
            buf_char(&b, c);
        } else if (c != ' ' && c != '\t') {
            buf_str(&b, "\r\n\t");
            buf_char(&b, c);
            fold = false;
        }
    }
    struct slice out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return out;
}
