/* arc.c - finds the sets of an ARC chain and checks its structure (RFC 8617 section 4, 5.2). */
#include "arc_i.h"
#include "base/text.h"

const char *arc_status_name(enum arc_status s)
{
    static const char *const names[] = {"none", "pass", "fail"};
    return names[s];
}

/* "i=N;" at the front of an ARC-Authentication-Results; what follows is the payload. */
static bool read_aar(struct slice body, int *instance, struct slice *payload)
{
    struct slice s = dkim_skip_cfws(body);
    if (!s.n || s.p[0] != 'i') return false;
    s = dkim_skip_cfws(sl_from(s, 1));
    if (!s.n || s.p[0] != '=') return false;
    s = dkim_skip_cfws(sl_from(s, 1));
    size_t n = 0;
    uint64_t v;
    while (n < s.n && is_digit(s.p[n])) n++;
    if (n > 2 || !num_u64(sl_sub(s, 0, n), ARC_SETS_MAX, &v) || v == 0) return false;
    s = dkim_skip_cfws(sl_from(s, n));
    if (!s.n || s.p[0] != ';') return false;
    *instance = (int)v;
    *payload = sl_from(s, 1);
    return true;
}

static void complain(struct arena *a, struct arc_chain *c, const char *what, struct slice why)
{
    if (!c->bad.n) c->bad = ar_printf(a, "an %s field is malformed: %.*s", what, SLF(why));
}

static void take_aar(struct arena *a, struct arc_chain *c, const struct mail_field *f)
{
    int i;
    struct slice payload;
    if (f->raw.n > DKIM_FIELD_MAX || !read_aar(f->body, &i, &payload)) {
        complain(a, c, "ARC-Authentication-Results", SL("no instance from 1 to 50 stands at its start"));
        return;
    }
    struct arc_found *s = &c->set[i];
    if (i > c->highest) c->highest = i;
    s->aar = f;
    s->naar++;
    s->payload = payload;
}

static void take_signature(struct arena *a, struct arc_chain *c, const struct mail_field *f,
                           enum sig_family family)
{
    struct dkim_sig sig;
    dkim_sig_read(a, f, family, &sig);
    if (!sig.instance) {
        complain(a, c, family == FAMILY_AMS ? "ARC-Message-Signature" : "ARC-Seal", sig.reason);
        return;
    }
    struct arc_found *s = &c->set[sig.instance];
    if (sig.instance > c->highest) c->highest = sig.instance;
    if (family == FAMILY_AMS) s->ams = sig, s->nams++;
    else s->seal = sig, s->nseal++;
}

void arc_read(struct arena *a, const struct mail_head *head, struct arc_chain *out)
{
    *out = (struct arc_chain){0};
    for (size_t i = 0; i < head->n; i++) {
        const struct mail_field *f = &head->field[i];
        if (f->bad || !sl_startsi(f->name, SL("arc-"))) continue;
        bool aar = sl_eqi(f->name, SL("arc-authentication-results"));
        bool ams = sl_eqi(f->name, SL("arc-message-signature")), seal = sl_eqi(f->name, SL("arc-seal"));
        if (!aar && !ams && !seal) continue;
        /* More than any valid chain has: what follows need not be read to know. */
        if (++out->fields > 3 * ARC_SETS_MAX) continue;
        if (aar) take_aar(a, out, f);
        else take_signature(a, out, f, ams ? FAMILY_AMS : FAMILY_SEAL);
    }
}

/* Only ARC-Seal may not be signed; other ARC fields of earlier sets may, and stay as they are. */
static bool signs_seals(const struct dkim_sig *ams)
{
    for (size_t i = 0; i < ams->nnames; i++)
        if (sl_eqi(ams->name[i], SL("arc-seal"))) return true;
    return false;
}

static struct slice set_structure(struct arena *a, const struct arc_found *s, int i)
{
    if (s->naar != 1 || s->nams != 1 || s->nseal != 1) /* step 3 A, B */
        return ar_printf(a,
                         "set %d has %u ARC-Authentication-Results, %u ARC-Message-Signature and %u ARC-Seal "
                         "fields, not one of each",
                         i, s->naar, s->nams, s->nseal);
    if (s->seal.result != DKIM_NONE)
        return ar_printf(a, "the ARC-Seal of set %d is malformed: %.*s", i, SLF(s->seal.reason));
    struct slice want = i == 1 ? SL("none") : SL("pass"); /* step 3 C */
    if (!sl_eq(s->seal.cv, want))
        return ar_printf(a, "the ARC-Seal of set %d says cv=%.*s, not cv=%.*s", i, SLF(s->seal.cv),
                         SLF(want));
    if (s->ams.result == DKIM_NONE && signs_seals(&s->ams)) /* section 4.1.2 */
        return ar_printf(a, "the ARC-Message-Signature of set %d signs ARC-Seal fields", i);
    return SL("");
}

struct slice arc_structure(struct arena *a, const struct arc_chain *c)
{
    if (c->fields > 3 * ARC_SETS_MAX) return ar_printf(a, "there are more than %d sets", ARC_SETS_MAX);
    const struct arc_found *newest = &c->set[c->highest];
    if (c->highest && newest->nseal == 1 && sl_eq(newest->seal.cv, SL("fail"))) /* step 2 */
        return ar_printf(a, "the newest ARC-Seal (set %d) says cv=fail", c->highest);
    if (c->bad.n) return c->bad;
    for (int i = c->highest; i >= 1; i--) {
        struct slice wrong = set_structure(a, &c->set[i], i);
        if (wrong.n) return wrong;
    }
    return SL("");
}

void arc_put_evidence(struct buf *data, const struct arc_found *s)
{
    dkim_canon_field(data, DKIM_RELAXED, s->aar, SL(""), true);
    dkim_canon_field(data, DKIM_RELAXED, s->ams.field, SL(""), true);
}
