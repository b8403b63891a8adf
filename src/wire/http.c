/* http.c - requests, chunks, targets and answers of HTTP/1.1 (RFC 9110, 9112). */
#include "http.h"

#include <stdio.h>

#include "base/civil.h"
#include "base/text.h"

static const char *const methods[] = {"",
#define X(m) #m,
                                      HTTP_METHODS(X)
#undef X
};

const char *http_method_name(enum http_method m) { return methods[m]; }

static bool is_visible(char c) { return c > 0x20 && c < 0x7f; }

/* RFC 9110 section 5.6.2. */
static bool is_tchar(char c) { return is_alnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c)); }

static bool is_token(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_tchar(s.p[i])) return false;
    return s.n > 0;
}

/* What may stand in the value of a field (section 5.5): no control character but HTAB. */
static bool is_text(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (((unsigned char)s.p[i] < 0x20 && s.p[i] != '\t') || s.p[i] == 0x7f) return false;
    return true;
}

static int refuse(struct http_request *r, int status, const char *sentence)
{
    r->status = status;
    return err_set(status == 400 ? ERR_SYNTAX : status == 431 ? ERR_LIMIT : ERR_UNSUPPORTED, "%s", sentence);
}

/* ---- the request line (RFC 9112 section 3) ---- */

static bool escapes_are_right(struct slice s)
{
    uint64_t v;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '%' && (s.n - i < 3 || !num_hex64(sl_sub(s, i + 1, i + 3), &v) || !v)) return false;
    return true;
}

/* The origin form, and the asterisk of OPTIONS (section 3.2). Other forms name a server: an intermediary
 * and this one could mean two different ones. */
static int take_target(struct http_request *r, struct slice target)
{
    for (size_t i = 0; i < target.n; i++)
        if (!is_visible(target.p[i]) || target.p[i] == '#')
            return refuse(r, 400, "the target of the request holds a character that must be escaped");
    if (sl_eq(target, SL("*")) && r->method == HTTP_OPTIONS) {
        r->path = target;
        return 0;
    }
    if (!sl_starts(target, SL("/"))) return refuse(r, 400, "the target of the request must be a path");
    size_t mark = sl_chr(target, '?');
    r->path = sl_sub(target, 0, mark == SL_NONE ? target.n : mark); /* for who is told that it is refused */
    if (!escapes_are_right(target)) return refuse(r, 400, "the target of the request has a wrong escape");
    if (mark != SL_NONE) r->query = sl_from(target, mark + 1);
    return 0;
}

static int take_version(struct http_request *r, struct slice v)
{
    if (v.n != 8 || !sl_starts(v, SL("HTTP/")) || !is_digit(v.p[5]) || v.p[6] != '.' || !is_digit(v.p[7]))
        return refuse(r, 400, "this is no request of HTTP/1.1");
    if (v.p[5] != '1') return refuse(r, 505, "this server speaks HTTP/1.1");
    r->minor = v.p[7] != '0'; /* a later one is read as 1.1 (RFC 9110 section 2.5) */
    return 0;
}

int http_request_line(struct http_request *r, struct slice line)
{
    struct slice rest = line, target;
    r->bytes += line.n;
    if (!sl_next(&rest, ' ', &r->word) || !sl_next(&rest, ' ', &target) || !rest.p)
        return refuse(r, 400, "this is no request of HTTP/1.1");
    if (!is_token(r->word)) return refuse(r, 400, "the method of the request is no word");
    for (size_t i = 1; i < COUNT_OF(methods); i++)
        if (sl_eq(r->word, sl_cstr(methods[i]))) r->method = (enum http_method)i;
    int e = take_version(r, rest);
    return e ? e : take_target(r, target);
}

/* ---- fields (RFC 9112 section 5) ---- */

static int split_field(struct slice line, struct http_field *f)
{
    size_t colon = sl_chr(line, ':');
    if (line.n && (line.p[0] == ' ' || line.p[0] == '\t'))
        return err_set(ERR_SYNTAX, "a folded field is not taken (RFC 9112 section 5.2)");
    if (colon == SL_NONE) return err_set(ERR_SYNTAX, "a field has no colon");
    f->name = sl_sub(line, 0, colon);
    f->value = sl_trim(sl_from(line, colon + 1));
    if (!is_token(f->name)) return err_set(ERR_SYNTAX, "the name of a field is no word");
    if (!is_text(sl_from(line, colon + 1)))
        return err_set(ERR_SYNTAX, "the field %.*s holds a control character", SLF(f->name));
    return 0;
}

int http_request_field(struct http_request *r, struct slice line)
{
    r->bytes += line.n;
    if (r->bytes > HTTP_HEAD_MAX || r->n == HTTP_FIELDS_MAX)
        return refuse(r, 431, "the fields of the request are too many or too long");
    int e = split_field(line, &r->field[r->n]);
    if (e) r->status = 400;
    else r->n++;
    return e;
}

struct slice http_request_value(const struct http_request *r, struct slice name)
{
    for (size_t i = 0; i < r->n; i++)
        if (sl_eqi(r->field[i].name, name)) return r->field[i].value;
    return (struct slice){0};
}

/* ---- the whole head ---- */

/* Those that decide something here: whoever adds a second one wants it read in two ways. */
static int check_once(struct http_request *r)
{
    static const struct slice once[] = {SL_INIT("Host"),           SL_INIT("Content-Length"),
                                        SL_INIT("Content-Type"),   SL_INIT("Transfer-Encoding"),
                                        SL_INIT("Authorization"),  SL_INIT("Expect"),
                                        SL_INIT("Idempotency-Key")};
    for (size_t k = 0; k < COUNT_OF(once); k++) {
        size_t n = 0;
        for (size_t i = 0; i < r->n; i++) n += sl_eqi(r->field[i].name, once[k]);
        if (n <= 1) continue;
        r->status = 400;
        return err_set(ERR_SYNTAX, "the field %.*s stands more than once", SLF(once[k]));
    }
    return 0;
}

/* RFC 9112 section 3.2. */
static int judge_host(struct http_request *r)
{
    r->host = http_request_value(r, SL("Host"));
    if (!r->host.p) return r->minor ? refuse(r, 400, "the field Host is missing") : 0;
    for (size_t i = 0; i < r->host.n; i++)
        if (!is_alnum(r->host.p[i]) && !strchr("-._~:[]", r->host.p[i]))
            return refuse(r, 400, "the field Host names no host");
    return r->host.n ? 0 : refuse(r, 400, "the field Host names no host");
}

/* RFC 9112 section 6: how long the body is. */
static int judge_framing(struct http_request *r)
{
    struct slice length = http_request_value(r, SL("Content-Length")),
                 coding = http_request_value(r, SL("Transfer-Encoding"));
    if (length.p && coding.p) return refuse(r, 400, "the request has two lengths (RFC 9112 section 6.3)");
    if (coding.p && !r->minor) return refuse(r, 400, "HTTP/1.0 has no Transfer-Encoding");
    if (coding.p && !sl_eqi(coding, SL("chunked")))
        return refuse(r, 501, "the only transfer coding here is chunked");
    if (length.p && !num_u64(length, HTTP_BODY_MAX, &r->length))
        return refuse(r, 400, "the field Content-Length is no number");
    r->chunked = coding.p;
    r->has_length = length.p;
    return 0;
}

static bool has_word(struct slice list, struct slice word)
{
    struct slice one;
    while (sl_next(&list, ',', &one))
        if (sl_eqi(sl_trim(one), word)) return true;
    return false;
}

static void judge_end(struct http_request *r)
{
    r->last = !r->minor;
    for (size_t i = 0; i < r->n; i++)
        if (sl_eqi(r->field[i].name, SL("Connection")) && has_word(r->field[i].value, SL("close")))
            r->last = true;
}

int http_request_end(struct http_request *r)
{
    int e = check_once(r);
    if (!e) e = judge_host(r);
    if (!e) e = judge_framing(r);
    if (e) return e;
    judge_end(r);
    struct slice expect = http_request_value(r, SL("Expect"));
    r->expects = expect.p && r->minor && sl_eqi(expect, SL("100-continue"));
    if (expect.p && r->minor && !r->expects) return refuse(r, 417, "only 100-continue can be expected here");
    return 0;
}

/* ---- chunks (RFC 9112 section 7.1) ---- */

int http_chunk_size(struct slice line, uint64_t *size)
{
    size_t end = sl_chr(line, ';');
    struct slice digits = sl_sub(line, 0, end == SL_NONE ? line.n : end);
    for (size_t i = 0; i < digits.n; i++)
        if (!is_digit(digits.p[i]) && !(sl_lower(digits.p[i]) >= 'a' && sl_lower(digits.p[i]) <= 'f'))
            return err_set(ERR_SYNTAX, "the size of a chunk is no number");
    if (digits.n > 10 || !num_hex64(digits, size))
        return err_set(ERR_SYNTAX, "the size of a chunk is no number that is possible");
    if (!is_text(line)) return err_set(ERR_SYNTAX, "the extension of a chunk holds a control character");
    return 0;
}

int http_trailer_field(struct slice line)
{
    struct http_field f;
    return split_field(line, &f);
}

/* ---- targets ---- */

/* plus: of a query, where it stands for a blank. What is no escape stays as it is. */
static struct slice decode(struct arena *a, struct slice s, bool plus)
{
    char *out = ar_alloc(a, s.n + 1);
    size_t n = 0;
    uint64_t v;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '%' && s.n - i >= 3 && num_hex64(sl_sub(s, i + 1, i + 3), &v)) {
            out[n++] = (char)v;
            i += 2;
        } else {
            out[n++] = plus && s.p[i] == '+' ? ' ' : s.p[i];
        }
    out[n] = 0;
    return sl(out, n);
}

struct slice http_segment(struct arena *a, struct slice s) { return decode(a, s, false); }

bool http_path_fits(const char *pattern, struct slice path, struct slice *param, size_t *n)
{
    struct slice want = sl_cstr(pattern), segment, word;
    *n = 0;
    bool more;
    while ((more = sl_next(&want, '/', &word))) {
        if (!sl_next(&path, '/', &segment)) return false;
        if (!word.n || word.p[0] != '{') {
            if (!sl_eq(word, segment)) return false;
        } else {
            if (!segment.n || *n == HTTP_PARAMS_MAX) return false;
            param[(*n)++] = segment;
        }
    }
    return !sl_next(&path, '/', &segment);
}

bool http_query_next(struct arena *a, struct slice *rest, struct slice *name, struct slice *value)
{
    struct slice pair;
    do
        if (!sl_next(rest, '&', &pair)) return false;
    while (!pair.n);
    size_t eq = sl_chr(pair, '=');
    *name = decode(a, sl_sub(pair, 0, eq == SL_NONE ? pair.n : eq), true);
    *value = eq == SL_NONE ? SL("") : decode(a, sl_from(pair, eq + 1), true);
    return true;
}

/* ---- who asks ---- */

int http_credentials(struct slice value, struct slice *scheme, struct slice *rest)
{
    size_t blank = sl_chr(value, ' ');
    *scheme = sl_sub(value, 0, blank == SL_NONE ? value.n : blank);
    *rest = blank == SL_NONE ? SL("") : sl_trim(sl_from(value, blank));
    if (is_token(*scheme) && rest->n) return 0;
    return err_set(ERR_SYNTAX, "the field Authorization must be a scheme and what proves who you are");
}

int http_basic(struct arena *a, struct slice rest, struct slice *user, struct slice *password)
{
    struct slice text;
    int e = b64_decode_ar(a, rest, true, &text);
    size_t colon = e ? SL_NONE : sl_chr(text, ':');
    if (colon == SL_NONE)
        return err_set(ERR_SYNTAX, "Basic must be followed by name:password in base64 (RFC 7617)");
    *user = sl_sub(text, 0, colon);
    *password = sl_from(text, colon + 1);
    return 0;
}

/* ---- answers ---- */

const char *http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } known[] = {{100, "Continue"},
                 {200, "OK"},
                 {201, "Created"},
                 {202, "Accepted"},
                 {204, "No Content"},
                 {301, "Moved Permanently"},
                 {302, "Found"},
                 {303, "See Other"},
                 {304, "Not Modified"},
                 {308, "Permanent Redirect"},
                 {400, "Bad Request"},
                 {401, "Unauthorized"},
                 {403, "Forbidden"},
                 {404, "Not Found"},
                 {405, "Method Not Allowed"},
                 {406, "Not Acceptable"},
                 {408, "Request Timeout"},
                 {409, "Conflict"},
                 {410, "Gone"},
                 {411, "Length Required"},
                 {413, "Content Too Large"},
                 {414, "URI Too Long"},
                 {415, "Unsupported Media Type"},
                 {417, "Expectation Failed"},
                 {421, "Misdirected Request"},
                 {422, "Unprocessable Content"},
                 {429, "Too Many Requests"},
                 {431, "Request Header Fields Too Large"},
                 {500, "Internal Server Error"},
                 {501, "Not Implemented"},
                 {503, "Service Unavailable"},
                 {505, "HTTP Version Not Supported"},
                 {507, "Insufficient Storage"}};
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (known[i].status == status) return known[i].reason;
    return status < 400 ? "OK" : "Error";
}

void http_put_status(struct buf *b, int status)
{
    buf_printf(b, "HTTP/1.1 %d %s\r\n", status, http_reason(status));
}

void http_put_field(struct buf *b, struct slice name, struct slice value)
{
    buf_put(b, name);
    buf_str(b, ": ");
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        buf_char(b, c < 0x20 || c == 0x7f ? ' ' : value.p[i]);
    }
    buf_str(b, "\r\n");
}

char *http_date(int64_t seconds, char text[HTTP_DATE_MAX])
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"},
                      months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct civil c = civil_from_unix(seconds);
    snprintf(text, HTTP_DATE_MAX, "%s, %02u %s %04u %02u:%02u:%02u GMT", days[(unsigned)c.weekday % 7],
             (unsigned)c.day % 100, months[(unsigned)(c.month - 1) % 12], (unsigned)c.year % 10000,
             (unsigned)c.hour % 100, (unsigned)c.minute % 100, (unsigned)c.second % 100);
    return text;
}
