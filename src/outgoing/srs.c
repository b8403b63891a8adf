/* srs.c - return paths of what is sent on, and back. */
#include "srs.h"

#include "crypto/crypto.h"
#include "mail/addr.h"
#include "rt/rt.h"

enum { HASH = 6, DAY = 2, DAY_S = 86400, DAYS = 1024, LOCAL_MAX = 64 };
static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567"; /* whoever changes the case does no harm */

static void put_hash(const struct srs *s, struct arena *a, struct slice what, char out[HASH])
{
    uint8_t mac[32];
    hmac_sha256(sl(s->key, sizeof s->key), ar_lower(a, what), mac);
    for (int i = 0; i < HASH; i++) out[i] = digits[mac[i] & 31];
}

static unsigned today(void) { return (unsigned)(rt_wall_seconds() / DAY_S % DAYS); }

/* What comes behind the hash: "DAY=domain=local", or for SRS1 "domain=rest". */
static struct slice make(const struct srs *s, struct arena *a, const char *kind, struct slice what)
{
    char hash[HASH];
    put_hash(s, a, what, hash);
    return ar_printf(a, "%s=%.*s=%.*s", kind, HASH, hash, SLF(what));
}

static bool is_kind(struct slice local, const char *kind)
{
    return local.n > 5 && sl_startsi(local, sl_cstr(kind)) &&
           (local.p[4] == '=' || local.p[4] == '-' || local.p[4] == '+');
}

/* What another forwarder made is kept as it is, behind his name: the report goes to him straight. */
static struct slice again(const struct srs *s, struct arena *a, struct slice local, struct slice domain)
{
    size_t eq = is_kind(local, "SRS1") ? sl_chr(sl_from(local, 5), '=') : SL_NONE;
    if (eq != SL_NONE) return make(s, a, "SRS1", sl_from(local, 5 + eq + 1));
    return make(s, a, "SRS1", ar_printf(a, "%.*s=%.*s", SLF(domain), SLF(sl_from(local, 4))));
}

void srs_forward(const struct srs *s, struct arena *a, struct slice sender, struct slice *out)
{
    struct slice local, domain, mine;
    bool ours = false;
    *out = sender;
    if (!sender.n || mail_addr_split(a, sender, &local, &domain) != 0 || sl_starts(domain, SL("["))) return;
    if (domain_is_local(s->directory, domain, &ours) != 0 || ours) return;
    unsigned day = today();
    if (is_kind(local, "SRS0") || is_kind(local, "SRS1")) mine = again(s, a, local, domain);
    else
        mine =
            make(s, a, "SRS0",
                 ar_printf(a, "%c%c=%.*s=%.*s", digits[day >> 5], digits[day & 31], SLF(domain), SLF(local)));
    if (mine.n <= LOCAL_MAX) *out = mail_addr_join(a, mine, s->domain);
}

static int digit(char c)
{
    for (int i = 0; i < 32; i++)
        if (digits[i] == (c | 0x20) || digits[i] == c) return i;
    return -1;
}

static bool is_fresh(struct slice day)
{
    int high = day.n == DAY ? digit(day.p[0]) : -1, low = day.n == DAY ? digit(day.p[1]) : -1;
    if (high < 0 || low < 0) return false;
    unsigned age = (today() + DAYS - (unsigned)(high << 5 | low)) % DAYS;
    return age <= SRS_DAYS || age == DAYS - 1; /* a clock may be a little behind */
}

static int not_ours(const char *why) { return err_set(ERR_DENIED, "this return path %s", why); }

int srs_back(const struct srs *s, struct arena *a, struct slice local, struct slice *out)
{
    bool first = is_kind(local, "SRS0");
    char hash[HASH];
    struct slice given, day, domain, rest = sl_from(local, 5);
    if (!first && !is_kind(local, "SRS1"))
        return err_set(ERR_NOT_FOUND, "it is no return path of a letter sent on");
    if (!sl_next(&rest, '=', &given) || !rest.n) return not_ours("was not made here");
    put_hash(s, a, rest, hash);
    if (!same_secret(ar_lower(a, given), sl(hash, HASH))) return not_ours("was not made here");
    if (first && (!sl_next(&rest, '=', &day) || !is_fresh(day)))
        return not_ours("is too old: the letter was sent on more than three weeks ago");
    if (!sl_next(&rest, '=', &domain) || !rest.n) return not_ours("was not made here");
    *out = mail_addr_join(a, first ? rest : ar_cat(a, SL("SRS0"), rest), domain);
    return 0;
}
