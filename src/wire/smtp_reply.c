/* smtp_reply.c - replies, made and read (RFC 5321 section 4.2, RFC 2034, RFC 3463), and EHLO's. */
#include "base/log.h"
#include "base/text.h"
#include "smtp.h"

enum { REPLY_LINE_OUT = 500 }; /* RFC 5321 section 4.5.3.1.5: 512 with CRLF */

static void put_line(struct buf *out, int code, char mark, const char *enhanced, struct slice text)
{
    const char head[4] = {(char)('0' + code / 100 % 10), (char)('0' + code / 10 % 10),
                          (char)('0' + code % 10), mark};
    size_t from = out->n;
    buf_bytes(out, head, sizeof head);
    if (enhanced && *enhanced) {
        buf_str(out, enhanced);
        buf_char(out, ' ');
    }
    size_t used = out->n - from, n = used < REPLY_LINE_OUT ? REPLY_LINE_OUT - used : 0;
    if (n > text.n) n = text.n;
    char *to = n ? buf_space(out, n) : NULL;
    for (size_t i = 0; to && i < n; i++) to[i] = text.p[i] < 32 || text.p[i] > 126 ? '?' : text.p[i];
    if (to) out->n += n;
    buf_str(out, "\r\n");
}

void smtp_reply_put(struct buf *out, int code, const char *enhanced, struct slice text)
{
    ASSERT(code >= 200 && code < 600);
    struct slice rest = text.p ? text : SL(""), line;
    while (sl_next(&rest, '\n', &line)) put_line(out, code, rest.p ? '-' : ' ', enhanced, line);
}

/* ---- reading ---- */

bool smtp_enhanced_parse(struct slice s, uint16_t v[3], size_t *len)
{
    size_t i = 0;
    uint16_t got[3];
    for (int part = 0; part < 3; part++) {
        size_t from = i;
        if (part && (i >= s.n || s.p[i++] != '.')) return false;
        from = i;
        unsigned n = 0;
        while (i < s.n && is_digit(s.p[i]) && i - from < 3) n = n * 10 + (unsigned)(s.p[i++] - '0');
        if (i == from) return false;
        got[part] = (uint16_t)n;
    }
    if ((got[0] != 2 && got[0] != 4 && got[0] != 5) || s.p[1] != '.') return false;
    if (i < s.n && s.p[i] != ' ' && s.p[i] != '\t') return false;
    memcpy(v, got, sizeof got);
    if (len) *len = i;
    return true;
}

void smtp_reply_begin(struct smtp_reply *r, struct arena *a) { *r = (struct smtp_reply){.a = a}; }

/* Grows the text in the arena; at most SMTP_REPLY_BYTES_MAX are kept. */
static void keep(struct smtp_reply *r, struct slice line)
{
    size_t need = r->text.n + 1 + line.n;
    if (need > SMTP_REPLY_BYTES_MAX) {
        r->cut = true;
        return;
    }
    if (need > r->room) {
        size_t room = r->room ? r->room * 2 : 256;
        while (room < need) room *= 2;
        char *to = ar_alloc(r->a, room);
        if (r->text.n) memcpy(to, r->text.p, r->text.n);
        r->text.p = to;
        r->room = room;
    }
    char *to = (char *)r->text.p + r->text.n;
    if (r->lines) *to++ = '\n', r->text.n++;
    if (line.n) memcpy(to, line.p, line.n);
    r->text.n += line.n;
}

int smtp_reply_line(struct smtp_reply *r, struct slice line)
{
    if (line.n < 3 || line.p[0] < '2' || line.p[0] > '5' || !is_digit(line.p[1]) || !is_digit(line.p[2]) ||
        (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-'))
        return err_set(ERR_SYNTAX, "the other server sent a line that is no SMTP reply");
    int code = (line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + line.p[2] - '0';
    /* Within a class the last line's code counts, as for others who read replies. */
    if (r->code && r->code / 100 != code / 100)
        return err_set(ERR_SYNTAX, "the other server changed the code within one reply from %d to %d",
                       r->code, code);
    r->code = code;
    uint16_t v[3];
    /* The class of the enhanced code must agree with the reply (RFC 2034 section 4). */
    if (!r->enhanced[0] && smtp_enhanced_parse(sl_from(line, 4), v, NULL) && v[0] == code / 100)
        memcpy(r->enhanced, v, sizeof v);
    if (r->lines == SMTP_REPLY_LINES_MAX) {
        r->cut = true;
    } else {
        keep(r, sl_sub(line, 0, SMTP_REPLY_LINE_MAX));
        r->lines++;
    }
    return line.n > 3 && line.p[3] == '-' ? 0 : 1;
}

/* ---- EHLO ---- */

static struct slice take_word(struct slice *s, const char *ends)
{
    size_t n = 0;
    while (n < s->n && !strchr(ends, s->p[n] ? s->p[n] : ' ')) n++;
    struct slice word = sl_sub(*s, 0, n);
    *s = sl_trim(sl_from(*s, n + 1));
    return word;
}

static void take_auth(struct slice s, struct smtp_ehlo *out)
{
    static const struct {
        const char *name;
        unsigned bit;
    } mechanisms[] = {
        {"PLAIN", SMTP_AUTH_PLAIN},
        {"LOGIN", SMTP_AUTH_LOGIN},
        {"SCRAM-SHA-256", SMTP_AUTH_SCRAM_SHA_256},
        {"SCRAM-SHA-256-PLUS", SMTP_AUTH_SCRAM_SHA_256_PLUS},
        {"EXTERNAL", SMTP_AUTH_EXTERNAL},
    };
    while (s.n) {
        struct slice word = take_word(&s, " ");
        for (size_t i = 0; i < COUNT_OF(mechanisms); i++)
            if (sl_eqi(word, sl_cstr(mechanisms[i].name))) out->auth |= mechanisms[i].bit;
    }
}

/* RFC 9422 section 4: "LIMITS RCPTMAX=20 MAILMAX=5". */
static void take_limits(struct slice s, struct smtp_ehlo *out)
{
    while (s.n) {
        struct slice word = take_word(&s, " "), key = take_word(&word, "=");
        uint64_t n;
        if (!num_u64(word, 999999, &n)) continue;
        if (sl_eqi(key, SL("RCPTMAX"))) out->rcpt_max = (uint32_t)n;
        if (sl_eqi(key, SL("MAILMAX"))) out->mail_max = (uint32_t)n;
    }
}

static void take_by(struct slice s, struct smtp_ehlo *out)
{
    uint64_t n;
    if (num_u64(take_word(&s, " "), 999999999, &n)) out->by_min = (uint32_t)n;
}

static void take_keyword(struct slice line, struct smtp_ehlo *out)
{
    static const struct {
        const char *name;
        unsigned bit;
    } keywords[] = {
        {"PIPELINING", SMTP_EXT_PIPELINING},
        {"8BITMIME", SMTP_EXT_8BITMIME},
        {"SIZE", SMTP_EXT_SIZE},
        {"STARTTLS", SMTP_EXT_STARTTLS},
        {"DSN", SMTP_EXT_DSN},
        {"ENHANCEDSTATUSCODES", SMTP_EXT_ENHANCED},
        {"CHUNKING", SMTP_EXT_CHUNKING},
        {"BINARYMIME", SMTP_EXT_BINARYMIME},
        {"SMTPUTF8", SMTP_EXT_SMTPUTF8},
        {"AUTH", SMTP_EXT_AUTH},
        {"REQUIRETLS", SMTP_EXT_REQUIRETLS},
        {"LIMITS", SMTP_EXT_LIMITS},
        {"PRDR", SMTP_EXT_PRDR},
        {"DELIVERBY", SMTP_EXT_DELIVERBY},
        {"MT-PRIORITY", SMTP_EXT_MT_PRIORITY},
    };
    struct slice rest = line;
    /* "AUTH=LOGIN" was written before RFC 2554; some still write it. */
    struct slice word = take_word(&rest, sl_startsi(line, SL("AUTH=")) ? "=" : " ");
    unsigned bit = 0;
    for (size_t i = 0; i < COUNT_OF(keywords); i++)
        if (sl_eqi(word, sl_cstr(keywords[i].name))) bit = keywords[i].bit;
    out->ext |= bit;
    if (bit == SMTP_EXT_SIZE && !num_u64(rest, UINT64_MAX, &out->size)) out->size = 0;
    if (bit == SMTP_EXT_AUTH) take_auth(rest, out);
    if (bit == SMTP_EXT_LIMITS) take_limits(rest, out);
    if (bit == SMTP_EXT_DELIVERBY) take_by(rest, out);
}

void smtp_ehlo_parse(const struct smtp_reply *r, struct smtp_ehlo *out)
{
    struct slice rest = r->text, line;
    *out = (struct smtp_ehlo){0};
    for (bool first = true; sl_next(&rest, '\n', &line); first = false) {
        line = sl_trim(sl_from(line, 4));
        if (first) out->name = take_word(&line, " ");
        else take_keyword(line, out);
    }
}
