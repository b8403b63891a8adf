/* people_fuzz.c - no address, whatever is in it, changes what a filter asks (RFC 4515), and no setting passes
 * that libldap would read in another way. Before the first line feed the setting, behind it the address. */
#include "base/buf.h"
#include "base/fuzz.h"
#include "base/text.h"
#include "people_i.h"

static int hex(char c) { return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

/* RFC 4515 section 3: \XX is a byte; what has a meaning in a filter never stands there itself. */
static void escape_comes_back(struct slice value)
{
    struct buf b = BUF_INIT, back = BUF_INIT;
    people_escape(&b, value);
    for (size_t i = 0; i < b.n; i++) {
        ASSERT((uint8_t)b.p[i] > 0x20 && (uint8_t)b.p[i] < 0x7f && !strchr("()*&|!=<>~", b.p[i]));
        if (b.p[i] != '\\') {
            buf_char(&back, b.p[i]);
            continue;
        }
        ASSERT(i + 2 < b.n && hex(b.p[i + 1]) >= 0 && hex(b.p[i + 2]) >= 0);
        buf_char(&back, (char)(hex(b.p[i + 1]) << 4 | hex(b.p[i + 2])));
        i += 2;
    }
    ASSERT(sl_eq(buf_slice(&back), value));
    buf_free(&b);
    buf_free(&back);
}

/* Parentheses, operators and their order are those of the pattern. */
static struct slice skeleton(struct arena *a, struct slice filter)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < filter.n; i++)
        if (strchr("()&|!*", filter.p[i])) buf_char(&b, filter.p[i]);
    struct slice s = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return s;
}

static void judge_filter(struct arena *a, struct slice pattern, struct slice local, struct slice domain)
{
    struct slice filter;
    struct people_conf c = {.server = SL("ldaps://ldap.test"), .base = SL("dc=test"), .filter = pattern};
    if (people_check(&c) != 0 || people_filter(a, pattern, local, domain, &filter) != 0) return;
    ASSERT(filter.n <= PEOPLE_FILTER_MAX && sl_eq(skeleton(a, filter), skeleton(a, pattern)));
}

static void judge_servers(struct slice setting)
{
    struct slice server[PEOPLE_SERVERS_MAX];
    struct people_conf c = {
        .server = setting, .base = SL("dc=test"), .filter = SL("(mail=%s)"), .id = setting};
    size_t n = people_servers(setting, server);
    ASSERT(n <= PEOPLE_SERVERS_MAX);
    for (size_t i = 0; i < n; i++) {
        ASSERT(server[i].n && sl_chr(server[i], ' ') == SL_NONE);
        (void)people_is_near(server[i]);
    }
    c.id = SL("");
    if (people_check(&c) == 0)
        for (size_t i = 0; i < n; i++)
            ASSERT(sl_starts(server[i], SL("ldap")) && sl_chr(server[i], '@') == SL_NONE &&
                   sl_chr(server[i], '?') == SL_NONE && sl_chr(server[i], '%') == SL_NONE);
}

FUZZ
{
    struct arena a = {0};
    size_t line = sl_chr(input, '\n');
    struct slice setting = sl_sub(input, 0, line),
                 address = line < input.n ? sl_from(input, line + 1) : SL("");
    size_t at = sl_rchr(address, '@');
    escape_comes_back(address);
    judge_filter(&a, setting, sl_sub(address, 0, at), at < address.n ? sl_from(address, at + 1) : SL(""));
    judge_servers(setting);
    ar_free(&a);
}
