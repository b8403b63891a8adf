/* mta_sts.c - MTA-STS policies and the record that announces them (RFC 8461 section 3). */
#include "mta_sts.h"

#include "base/text.h"

const char *mta_sts_mode_name(enum mta_sts_mode m)
{
    static const char *const names[] = {"none", "testing", "enforce"};
    return names[m];
}

/* A domain of LDH labels, "*." allowed in front of it. */
static bool pattern_ok(struct slice s)
{
    struct slice label;
    if (sl_starts(s, SL("*."))) s = sl_from(s, 2);
    if (!s.n || s.n > 253 || s.p[s.n - 1] == '.') return false;
    while (s.n && sl_next(&s, '.', &label)) {
        if (!label.n || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-') return false;
        for (size_t i = 0; i < label.n; i++)
            if (!is_alnum(label.p[i]) && label.p[i] != '-') return false;
    }
    return true;
}

struct parsing {
    struct arena *a;
    struct mta_sts_policy *out;
    bool version, mode, max_age;
};

static int take_mode(struct parsing *p, struct slice v)
{
    for (int m = MTA_STS_NONE; m <= MTA_STS_ENFORCE; m++)
        if (sl_eq(v, sl_cstr(mta_sts_mode_name((enum mta_sts_mode)m)))) {
            p->out->mode = (enum mta_sts_mode)m;
            p->mode = true;
            return 0;
        }
    return err_set(ERR_SYNTAX, "mode \"%.*s\" is none of enforce, testing, none",
                   SLF(printable(p->a, v, 40)));
}

static int take_max_age(struct parsing *p, struct slice v)
{
    uint64_t n;
    if (!num_u64(v, MTA_STS_AGE_MAX, &n))
        return err_set(ERR_SYNTAX, "max_age \"%.*s\" is no number of seconds up to a year",
                       SLF(printable(p->a, v, 40)));
    p->out->max_age = (uint32_t)n;
    p->max_age = true;
    return 0;
}

static int take_mx(struct parsing *p, struct slice v)
{
    if (!pattern_ok(v))
        return err_set(ERR_SYNTAX, "mx \"%.*s\" is no host name, nor *. and one",
                       SLF(printable(p->a, v, 100)));
    if (p->out->nmx == MTA_STS_MX_MAX) return err_set(ERR_LIMIT, "more than %d mx lines", MTA_STS_MX_MAX);
    p->out->mx[p->out->nmx++] = ar_lower(p->a, v);
    return 0;
}

static int take_line(struct parsing *p, struct slice line, bool first)
{
    size_t colon = sl_chr(line, ':');
    struct slice name = sl_trim(sl_sub(line, 0, colon == SL_NONE ? 0 : colon)), v;
    v = colon == SL_NONE ? SL("") : sl_trim(sl_from(line, colon + 1));
    if (first) {
        p->version = sl_eq(name, SL("version")) && sl_eq(v, SL("STSv1"));
        return p->version ? 0 : err_set(ERR_SYNTAX, "the first line is not \"version: STSv1\"");
    }
    if (colon == SL_NONE || !name.n)
        return err_set(ERR_SYNTAX, "the line \"%.*s\" is no field", SLF(printable(p->a, line, 60)));
    if (sl_eq(name, SL("mode")) && !p->mode) return take_mode(p, v);
    if (sl_eq(name, SL("max_age")) && !p->max_age) return take_max_age(p, v);
    return sl_eq(name, SL("mx")) ? take_mx(p, v) : 0;
}

int mta_sts_parse(struct arena *a, struct slice text, struct mta_sts_policy *out)
{
    struct parsing p = {.a = a, .out = out};
    struct slice line;
    int e = text.n > MTA_STS_TEXT_MAX ? err_set(ERR_LIMIT, "more than %d bytes", MTA_STS_TEXT_MAX) : 0;
    *out = (struct mta_sts_policy){0};
    for (bool first = true; !e && text.n && sl_next(&text, '\n', &line); first = false) {
        line = sl_trim(line);
        if (line.n || first) e = take_line(&p, line, first);
    }
    if (e) return e;
    if (!p.version) return err_set(ERR_SYNTAX, "it is empty");
    if (!p.mode) return err_set(ERR_SYNTAX, "there is no mode");
    if (!p.max_age) return err_set(ERR_SYNTAX, "there is no max_age");
    if (!out->nmx && out->mode != MTA_STS_NONE) return err_set(ERR_SYNTAX, "there is no mx");
    return 0;
}

bool mta_sts_allows(const struct mta_sts_policy *p, struct slice host)
{
    size_t dot = sl_chr(host, '.');
    for (size_t i = 0; i < p->nmx; i++) {
        if (sl_eqi(p->mx[i], host)) return true;
        if (sl_starts(p->mx[i], SL("*.")) && dot != SL_NONE && dot > 0 &&
            sl_eqi(sl_from(p->mx[i], 2), sl_from(host, dot + 1)))
            return true;
    }
    return false;
}

struct slice mta_sts_id(struct slice txt)
{
    struct slice tag;
    if (!sl_next(&txt, ';', &tag) || !sl_eq(sl_trim(tag), SL("v=STSv1"))) return SL("");
    while (txt.n && sl_next(&txt, ';', &tag)) {
        tag = sl_trim(tag);
        if (!sl_starts(tag, SL("id="))) continue;
        tag = sl_from(tag, 3);
        bool good = tag.n >= 1 && tag.n <= 32;
        for (size_t i = 0; i < tag.n; i++) good &= is_alnum(tag.p[i]);
        return good ? tag : SL("");
    }
    return SL("");
}
