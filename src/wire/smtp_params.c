/* smtp_params.c - what the parameters of MAIL and RCPT mean (RFC 1870, 3461, 2852, 3865, 4865, 4954, 6152,
 * 6710, 6531, 8689).
 */
#include "base/civil.h"
#include "base/text.h"
#include "smtp.h"

static int hex_value(char c)
{
    if (is_digit(c)) return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* utf8: characters beyond ASCII may stand there as they are (RFC 6533 section 3). */
static int xtext(struct arena *a, struct slice s, bool utf8, struct slice *out)
{
    if (!is_ascii(s) && (!utf8 || !utf8_valid(s)))
        return err_set(ERR_SYNTAX, "the value holds bytes that are not ASCII%s", utf8 ? ", nor UTF-8" : "");
    char *to = ar_alloc(a, s.n);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '+') {
            int hi = i + 2 < s.n ? hex_value(s.p[i + 1]) : -1, lo = i + 2 < s.n ? hex_value(s.p[i + 2]) : -1;
            if (hi < 0 || lo < 0)
                return err_set(ERR_SYNTAX, "a + in xtext must be followed by two hexadecimal digits");
            c = (char)(hi * 16 + lo);
            i += 2;
        }
        /* Nothing that could break a line of a report later. */
        if ((unsigned char)c < 32 || c == 127)
            return err_set(ERR_SYNTAX, "there is a control character in the value");
        to[n++] = c;
    }
    *out = sl(to, n);
    return 0;
}

int smtp_xtext_decode(struct arena *a, struct slice s, struct slice *out) { return xtext(a, s, false, out); }

void smtp_xtext_encode(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c > 32 && c < 127 && c != '+' && c != '=') buf_char(out, (char)c);
        else buf_printf(out, "+%02X", c);
    }
}

/* ---- MAIL ---- */

static int wrong(const struct smtp_param *p)
{
    return err_set(ERR_SYNTAX, "the value of %.*s is not valid", SLF(p->key));
}

static int too_long(const struct smtp_param *p, int max)
{
    return err_set(ERR_SYNTAX, "the value of %.*s is longer than %d bytes", SLF(p->key), max);
}

static int opt_size(struct arena *a, const struct smtp_param *p, void *to)
{
    struct smtp_mail_opts *o = to;
    (void)a;
    return p->has_value && p->value.n <= 20 && num_u64(p->value, UINT64_MAX, &o->size) ? 0 : wrong(p);
}

static int opt_body(struct arena *a, const struct smtp_param *p, void *to)
{
    struct smtp_mail_opts *o = to;
    (void)a;
    if (sl_eqi(p->value, SL("7BIT"))) o->body = SMTP_BODY_7BIT;
    else if (sl_eqi(p->value, SL("8BITMIME"))) o->body = SMTP_BODY_8BITMIME;
    else if (sl_eqi(p->value, SL("BINARYMIME"))) o->body = SMTP_BODY_BINARYMIME;
    else return wrong(p);
    return 0;
}

/* Parameters that are words alone. */
static int opt_utf8(struct arena *a, const struct smtp_param *p, void *to)
{
    (void)a;
    ((struct smtp_mail_opts *)to)->smtputf8 = true;
    return p->has_value ? wrong(p) : 0;
}

static int opt_requiretls(struct arena *a, const struct smtp_param *p, void *to)
{
    (void)a;
    ((struct smtp_mail_opts *)to)->requiretls = true;
    return p->has_value ? wrong(p) : 0;
}

static int opt_prdr(struct arena *a, const struct smtp_param *p, void *to)
{
    (void)a;
    ((struct smtp_mail_opts *)to)->prdr = true;
    return p->has_value ? wrong(p) : 0;
}

static int opt_hold_for(struct arena *a, const struct smtp_param *p, void *to)
{
    struct smtp_mail_opts *o = to;
    uint64_t n;
    (void)a;
    if (!num_u64(p->value, 999999999, &n) || !n) return wrong(p);
    o->hold_for = (uint32_t)n;
    return 0;
}

/* "2026-11-22T21:34:26Z", fractions of a second left out (RFC 3339, normalized to UTC). */
static bool utc_time(struct slice s, int64_t *out)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd";
    struct civil c = {0};
    int *const field[] = {&c.year, &c.month, &c.day, &c.hour, &c.minute, &c.second};
    size_t f = 0;
    if (s.n < sizeof form || (s.p[s.n - 1] | 32) != 'z') return false;
    for (size_t i = 0; i + 1 < sizeof form; i++) {
        if (form[i] == 'd' ? !is_digit(s.p[i]) : (s.p[i] & ~32) != (form[i] & ~32)) return false;
        if (form[i] == 'd') *field[f] = *field[f] * 10 + s.p[i] - '0';
        else f++;
    }
    for (size_t i = sizeof form - 1; i + 1 < s.n; i++)
        if (i == sizeof form - 1 ? s.p[i] != '.' || i + 2 == s.n : !is_digit(s.p[i])) return false;
    return civil_to_unix(&c, out) && *out > 0;
}

static int opt_hold_until(struct arena *a, const struct smtp_param *p, void *to)
{
    (void)a;
    return utc_time(p->value, &((struct smtp_mail_opts *)to)->hold_until) ? 0 : wrong(p);
}

/* by-time ";" by-mode [by-trace]; with R it lies ahead. */
static int opt_by(struct arena *a, const struct smtp_param *p, void *to)
{
    struct smtp_mail_opts *o = to;
    size_t semi = sl_chr(p->value, ';');
    struct slice time = sl_sub(p->value, 0, semi),
                 mode = semi == SL_NONE ? SL("") : sl_from(p->value, semi + 1);
    uint64_t n;
    (void)a;
    bool minus = sl_starts(time, SL("-"));
    if (minus || sl_starts(time, SL("+"))) time = sl_from(time, 1);
    if (time.n > 9 || !num_u64(time, 999999999, &n) || !mode.n || mode.n > 2) return wrong(p);
    o->by = minus ? -(int32_t)n : (int32_t)n;
    o->by_mode = (char)(mode.p[0] & ~32);
    o->by_trace = mode.n == 2;
    bool good = o->by_mode == 'N' || (o->by_mode == 'R' && o->by > 0);
    return good && (mode.n == 1 || (mode.p[1] | 32) == 't') ? 0 : wrong(p);
}

static int opt_priority(struct arena *a, const struct smtp_param *p, void *to)
{
    struct smtp_mail_opts *o = to;
    struct slice v = p->value;
    (void)a;
    bool minus = sl_starts(v, SL("-"));
    if (minus) v = sl_from(v, 1);
    if (v.n != 1 || !is_digit(v.p[0]) || (minus && v.p[0] == '0')) return wrong(p);
    o->has_priority = true;
    o->priority = (int8_t)(minus ? '0' - v.p[0] : v.p[0] - '0');
    return 0;
}

/* word = ALPHA 0*(wordchar) */
static bool solicit_word(struct slice w)
{
    if (!w.n || !is_alpha(w.p[0])) return false;
    for (size_t i = 0; i < w.n; i++)
        if (!is_alnum(w.p[i]) && !memchr(".-_:", w.p[i], 4)) return false;
    return true;
}

bool smtp_solicit_ok(struct slice s)
{
    struct slice rest = s, word;
    bool ok = s.n > 0 && s.n <= SMTP_SOLICIT_MAX && s.p[s.n - 1] != ',';
    while (ok && sl_next(&rest, ',', &word)) ok = solicit_word(word);
    return ok;
}

bool smtp_solicit_meets(struct slice one, struct slice other)
{
    struct slice w;
    while (sl_next(&one, ',', &w)) {
        struct slice rest = other, v;
        while (sl_next(&rest, ',', &v))
            if (w.n && sl_eqi(w, v)) return true;
    }
    return false;
}

static int opt_solicit(struct arena *a, const struct smtp_param *p, void *to)
{
    (void)a;
    ((struct smtp_mail_opts *)to)->solicit = p->value;
    return smtp_solicit_ok(p->value) ? 0 : wrong(p);
}

static int opt_ret(struct arena *a, const struct smtp_param *p, void *to)
{
    struct smtp_mail_opts *o = to;
    (void)a;
    if (sl_eqi(p->value, SL("FULL"))) o->ret = SMTP_RET_FULL;
    else if (sl_eqi(p->value, SL("HDRS"))) o->ret = SMTP_RET_HDRS;
    else return wrong(p);
    return 0;
}

static int opt_envid(struct arena *a, const struct smtp_param *p, void *to)
{
    struct smtp_mail_opts *o = to;
    if (!p->value.n) return wrong(p);
    if (p->value.n > LIMIT_ENVID) return too_long(p, LIMIT_ENVID);
    return smtp_xtext_decode(a, p->value, &o->envid);
}

static int opt_auth(struct arena *a, const struct smtp_param *p, void *to)
{
    struct smtp_mail_opts *o = to;
    if (!p->value.n || p->value.n > 500) return wrong(p);
    o->has_auth = true;
    return smtp_xtext_decode(a, p->value, &o->auth);
}

/* ---- RCPT ---- */

static int opt_notify(struct arena *a, const struct smtp_param *p, void *to)
{
    struct smtp_rcpt_opts *o = to;
    struct slice rest = p->value, word;
    (void)a;
    if (!p->value.n) return wrong(p);
    while (sl_next(&rest, ',', &word)) {
        if (sl_eqi(word, SL("NEVER"))) o->notify |= SMTP_NOTIFY_NEVER;
        else if (sl_eqi(word, SL("SUCCESS"))) o->notify |= SMTP_NOTIFY_SUCCESS;
        else if (sl_eqi(word, SL("FAILURE"))) o->notify |= SMTP_NOTIFY_FAILURE;
        else if (sl_eqi(word, SL("DELAY"))) o->notify |= SMTP_NOTIFY_DELAY;
        else return wrong(p);
    }
    /* NEVER stands alone (RFC 3461 section 4.1). */
    return (o->notify & SMTP_NOTIFY_NEVER) && o->notify != SMTP_NOTIFY_NEVER ? wrong(p) : 0;
}

static int opt_orcpt(struct arena *a, const struct smtp_param *p, void *to)
{
    struct smtp_rcpt_opts *o = to;
    size_t semi = sl_chr(p->value, ';');
    if (semi == SL_NONE || !semi || semi + 1 == p->value.n || p->value.n > LIMIT_ORCPT)
        return p->value.n > LIMIT_ORCPT ? too_long(p, LIMIT_ORCPT) : wrong(p);
    for (size_t i = 0; i < semi; i++)
        if (!is_alnum(p->value.p[i]) && p->value.p[i] != '-') return wrong(p);
    return xtext(a, p->value, sl_eqi(sl_sub(p->value, 0, semi), SL("utf-8")), &o->orcpt);
}

/* ---- both ---- */

struct option {
    const char *key;
    int (*take)(struct arena *a, const struct smtp_param *p, void *to);
};

static int take_all(struct arena *a, const struct smtp_command *c, const struct option *option, size_t n,
                    void *to)
{
    unsigned seen = 0;
    for (size_t i = 0; i < c->nparams; i++) {
        const struct smtp_param *p = &c->param[i];
        size_t k = 0;
        while (k < n && !sl_eqi(p->key, sl_cstr(option[k].key))) k++;
        if (k == n) return err_set(ERR_UNSUPPORTED, "the parameter %.*s is not known here", SLF(p->key));
        if (seen & 1u << k) return err_set(ERR_SYNTAX, "the parameter %s stands there twice", option[k].key);
        seen |= 1u << k;
        int e = option[k].take(a, p, to);
        if (e) return e;
    }
    return 0;
}

int smtp_mail_opts(struct arena *a, const struct smtp_command *c, struct smtp_mail_opts *out)
{
    static const struct option options[] = {
        {"SIZE", opt_size},
        {"BODY", opt_body},
        {"SMTPUTF8", opt_utf8},
        {"REQUIRETLS", opt_requiretls},
        {"RET", opt_ret},
        {"ENVID", opt_envid},
        {"AUTH", opt_auth},
        {"HOLDFOR", opt_hold_for},
        {"HOLDUNTIL", opt_hold_until},
        {"BY", opt_by},
        {"MT-PRIORITY", opt_priority},
        {"PRDR", opt_prdr},
        {"SOLICIT", opt_solicit},
    };
    *out = (struct smtp_mail_opts){0};
    int e = take_all(a, c, options, COUNT_OF(options), out);
    if (e || !out->hold_for || !out->hold_until) return e; /* RFC 4865 section 4.2 item 9 */
    return err_set(ERR_SYNTAX, "HOLDFOR and HOLDUNTIL exclude each other");
}

int smtp_rcpt_opts(struct arena *a, const struct smtp_command *c, struct smtp_rcpt_opts *out)
{
    static const struct option options[] = {{"NOTIFY", opt_notify}, {"ORCPT", opt_orcpt}};
    *out = (struct smtp_rcpt_opts){0};
    return take_all(a, c, options, COUNT_OF(options), out);
}
