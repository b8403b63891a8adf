/* smtp_xclient.c - XCLIENT, as Postfix's XCLIENT_README has it: what a trusted proxy says of the client. */
#include "base/text.h"
#include "smtp.h"

static bool is_nothing(struct slice v)
{
    return sl_eqi(v, SL("[UNAVAILABLE]")) || sl_eqi(v, SL("[TEMPUNAVAIL]"));
}

static bool take_addr(struct slice v, struct ip *out)
{
    bool six = sl_startsi(v, SL("IPV6:"));
    if (six) v = sl_from(v, 5);
    return ip_parse(v, out) && (six || sl_chr(v, ':') == SL_NONE);
}

static bool take(struct smtp_xclient *x, struct slice name, struct slice v)
{
    uint64_t n;
    bool nothing = is_nothing(v);
    if (sl_eqi(name, SL("ADDR"))) return nothing || take_addr(v, &x->ip);
    if (sl_eqi(name, SL("PORT"))) {
        if (nothing) return true;
        if (!num_u64(v, 65535, &n)) return false;
        x->port = (uint16_t)n;
        return true;
    }
    if (sl_eqi(name, SL("HELO"))) {
        if (!nothing) x->helo = v;
        return nothing || smtp_helo_ok(v);
    }
    if (sl_eqi(name, SL("PROTO"))) {
        x->extended = sl_eqi(v, SL("ESMTP"));
        return x->extended || sl_eqi(v, SL("SMTP"));
    }
    /* names are ours to look up, and where the client went to makes no difference */
    return sl_eqi(name, SL("NAME")) || sl_eqi(name, SL("DESTADDR")) || sl_eqi(name, SL("DESTPORT"));
}

/* Of a name among SMTP_XCLIENT_WORDS. */
static size_t place(struct slice name)
{
    struct slice rest = SL(SMTP_XCLIENT_WORDS), word;
    size_t i = 0;
    while (sl_next(&rest, ' ', &word) && !sl_eqi(word, name)) i++;
    return i;
}

int smtp_xclient(struct arena *a, struct slice arg, struct smtp_xclient *out)
{
    struct slice word;
    unsigned seen = 0;
    *out = (struct smtp_xclient){0};
    if (!arg.n)
        return err_set(ERR_SYNTAX, "XCLIENT is written XCLIENT " SMTP_XCLIENT_WORDS " with a value each");
    while (sl_next(&arg, ' ', &word)) {
        size_t eq = sl_chr(word, '=');
        struct slice value;
        if (eq == SL_NONE || smtp_xtext_decode(a, sl_from(word, eq + 1), &value) ||
            !take(out, sl_sub(word, 0, eq), value))
            return err_set(ERR_SYNTAX, "XCLIENT does not know what %.*s is", SLF(sl_sub(word, 0, 100)));
        unsigned bit = 1u << place(sl_sub(word, 0, eq));
        if (seen & bit) return err_set(ERR_SYNTAX, "XCLIENT says %.*s twice", SLF(sl_sub(word, 0, eq)));
        seen |= bit;
    }
    return 0;
}
