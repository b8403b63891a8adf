/* imap_url.c - URLs of messages and of parts of them (RFC 5092 section 5, RFC 5550 section 5.7.1), with what
 * authorises somebody else to read them (RFC 4467 section 9). */
#include "base/civil.h"
#include "base/text.h"
#include "imap_i.h"

enum param { UIDVALIDITY, UID, SECTION, PARTIAL, EXPIRE, URLAUTH, PARAMS };
static const struct slice names[] = {SL_INIT("UIDVALIDITY="), SL_INIT("UID="),    SL_INIT("SECTION="),
                                     SL_INIT("PARTIAL="),     SL_INIT("EXPIRE="), SL_INIT("URLAUTH=")};

static int wrong(const char *what) { return err_set(ERR_SYNTAX, "the URL %s", what); }

/* Percent-encoded UTF-8 without controls. */
static int decode(struct arena *a, struct slice s, struct slice *out)
{
    char *to = ar_alloc(a, s.n);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++, n++) {
        uint64_t c;
        to[n] = s.p[i];
        if (s.p[i] != '%') continue;
        if (i + 2 >= s.n || !num_hex64(sl_sub(s, i + 1, i + 3), &c))
            return wrong("holds a '%' without digits");
        to[n] = (char)c;
        i += 2;
    }
    *out = sl(to, n);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)to[i] < 32 || to[i] == 127) return wrong("holds a control character");
    return utf8_valid(*out) ? 0 : wrong("is not in UTF-8");
}

/* "user;AUTH=x@host:port" */
static int take_server(struct arena *a, struct slice s, struct imap_url *u)
{
    size_t at = sl_rchr(s, '@');
    if (at == SL_NONE) return s.n ? 0 : wrong("names no server");
    if (at + 1 == s.n) return wrong("names no server");
    struct slice user = sl_sub(s, 0, at);
    size_t mechanism = sl_chr(user, ';');
    return decode(a, sl_sub(user, 0, mechanism == SL_NONE ? user.n : mechanism), &u->user);
}

/* The section as FETCH has it, in the way that FETCH reads it. */
static int take_section(struct arena *a, struct slice encoded, struct imap_fetch_item *out)
{
    struct slice section;
    struct imap_in in;
    int e = encoded.n ? decode(a, encoded, &section) : wrong("names no section");
    if (e) return e;
    imap_in_init(&in, a, ar_cat(a, ar_cat(a, SL("(BODY.PEEK["), section), SL("])")), true);
    struct imap_fetch f = imap_fetch_items(&in);
    e = imap_done(&in);
    if (e || f.n != 1) return wrong("names no section");
    *out = f.item[0];
    return 0;
}

/* "from" or "from.count" */
static int take_partial(struct slice s, struct imap_fetch_item *out)
{
    size_t dot = sl_chr(s, '.');
    out->partial = true;
    out->count = INT64_MAX;
    if (!num_u64(sl_sub(s, 0, dot == SL_NONE ? s.n : dot), INT64_MAX, &out->from) ||
        (dot != SL_NONE && (!num_u64(sl_from(s, dot + 1), INT64_MAX, &out->count) || !out->count)))
        return wrong("names no range of bytes");
    return 0;
}

static int take_access(struct arena *a, struct slice s, struct imap_url *u)
{
    if (sl_eqi(s, SL("authuser"))) u->access = IMAP_ACCESS_AUTHUSER;
    else if (sl_eqi(s, SL("anonymous"))) u->access = IMAP_ACCESS_ANONYMOUS;
    else if (sl_startsi(s, SL("submit+"))) u->access = IMAP_ACCESS_SUBMIT;
    else if (sl_startsi(s, SL("user+"))) u->access = IMAP_ACCESS_USER;
    else return wrong("does not say who may use it");
    if (u->access == IMAP_ACCESS_AUTHUSER || u->access == IMAP_ACCESS_ANONYMOUS) return 0;
    int e = decode(a, sl_from(s, sl_chr(s, '+') + 1), &u->who);
    return e || u->who.n ? e : wrong("does not say who may use it");
}

/* "access" or "access:mechanism:token" */
static int take_urlauth(struct arena *a, struct slice url, struct slice s, struct imap_url *u)
{
    size_t colon = sl_chr(s, ':');
    u->rump = url;
    if (colon != SL_NONE) {
        struct slice rest = sl_from(s, colon + 1);
        size_t second = sl_chr(rest, ':');
        if (second == SL_NONE || !second || second + 1 == rest.n) return wrong("is authorised by half");
        u->mechanism = sl_sub(rest, 0, second);
        u->token = sl_from(rest, second + 1);
        u->rump = sl_sub(url, 0, (size_t)(rest.p - 1 - url.p));
    }
    return take_access(a, sl_sub(s, 0, colon == SL_NONE ? s.n : colon), u);
}

static int take_number(struct slice s, uint32_t *out)
{
    uint64_t n;
    if (!num_u64(s, UINT32_MAX, &n) || !n) return wrong("holds a wrong number");
    *out = (uint32_t)n;
    return 0;
}

static int take_expire(struct arena *a, struct slice s, struct imap_url *u)
{
    struct slice time;
    u->expires = true;
    int e = decode(a, s, &time);
    return e || civil_parse(time, &u->expire) ? e : wrong("has no date behind EXPIRE");
}

static int take_value(struct arena *a, struct slice url, enum param p, struct slice value, struct imap_url *u)
{
    switch (p) {
    case UIDVALIDITY: return take_number(value, &u->uidvalidity);
    case UID: return take_number(value, &u->uid);
    case SECTION: return take_section(a, value, &u->part);
    case PARTIAL: return take_partial(value, &u->part);
    case EXPIRE: return take_expire(a, value, u);
    default: return take_urlauth(a, url, value, u);
    }
}

/* Path segments begin with "/;", what belongs to the one before with ";". */
static bool begins_segment(enum param p) { return p == UID || p == SECTION || p == PARTIAL; }

static int take_params(struct arena *a, struct slice url, struct slice rest, bool slash, struct imap_url *u)
{
    struct slice s;
    enum param next = UIDVALIDITY;
    while (sl_next(&rest, ';', &s)) {
        enum param p = next;
        while (p < PARAMS && !sl_startsi(s, names[p])) p++;
        if (p == PARAMS) return wrong("names no message");
        if (begins_segment(p) != slash) return wrong("has a '/' too many or too few");
        slash = p != URLAUTH && s.n && s.p[s.n - 1] == '/';
        int e = take_value(a, url, p, sl_sub(s, names[p].n, s.n - slash), u);
        if (e) return e;
        next = p + 1;
    }
    return slash || !u->uid ? wrong("names no message") : 0;
}

int imap_url_parse(struct arena *a, struct slice url, struct imap_url *out)
{
    struct slice rest = url;
    *out = (struct imap_url){.part = {.kind = IMAP_SECTION, .peek = true}};
    if (url.n > IMAP_URL_MAX) return wrong("is too long");
    for (size_t i = 0; i < url.n; i++)
        if (url.p[i] <= 32 || url.p[i] > 126) return wrong("holds what must be encoded");
    out->absolute = sl_startsi(url, SL("imap://"));
    if (out->absolute) {
        rest = sl_from(url, 7);
        size_t end = sl_chr(rest, '/');
        if (end == SL_NONE) return wrong("names no mailbox");
        int e = take_server(a, sl_sub(rest, 0, end), out);
        if (e) return e;
        rest = sl_from(rest, end);
    }
    if (!sl_starts(rest, SL("/")) && (out->absolute || !sl_starts(rest, SL(";"))))
        return wrong("is not of a message here");
    size_t end = sl_chr(rest, ';');
    if (end == SL_NONE) return wrong("names no message");
    struct slice name = sl_sub(rest, 0, end);
    bool slash = sl_ends(name, SL("/")) || !name.n;
    name = sl_sub(name, sl_starts(name, SL("/")), name.n - (slash && name.n > 1));
    int e = decode(a, name, &out->mailbox);
    if (e) return e;
    if (out->mailbox.n > IMAP_NAME_MAX) return wrong("holds a name that is too long");
    if (sl_eqi(out->mailbox, SL("INBOX"))) out->mailbox = SL("INBOX");
    return take_params(a, url, sl_from(rest, end + 1), slash, out);
}
