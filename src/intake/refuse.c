/* refuse.c - refusals as values, tables of steps that end with the first one, and names that many steps
 * ask for. */
#include <stdarg.h>
#include <stdio.h>

#include "dns/dns.h"
#include "intake_i.h"
#include "wire/smtp.h"

uint64_t intake_size_max(const struct intake *in)
{
    return in->size_max ? in->size_max : INTAKE_SIZE_DEFAULT;
}

struct slice intake_authserv_id(const struct intake *in)
{
    return in->mailauth && in->mailauth->authserv_id.n ? in->mailauth->authserv_id : in->hostname;
}

int intake_ascii_domain(struct arena *a, struct slice domain, struct slice *out)
{
    *out = domain;
    return is_ascii(domain) ? 0 : dns_to_ascii(a, domain, out);
}

void *intake_one_more(struct arena *a, void *v, size_t n, size_t *room, size_t size)
{
    if (n < *room) return v;
    if (*room) return ar_grow(a, v, room, size);
    *room = 4;
    return ar_zalloc_n(a, *room, size);
}

/* ---- refusals ---- */

struct intake_refusal intake_failure(struct arena *a, int e, const char *what)
{
    struct intake_refusal r = {.code = 451, .enhanced = "4.3.0", .error = e == ERR_UNKNOWN ? ERR_IO : e};
    if (e == ERR_FULL) r.code = 452, r.enhanced = "4.3.1";
    if (e == ERR_QUOTA) r.code = 452, r.enhanced = "4.2.2";
    if (e == ERR_CANCELED) r.code = 421, r.enhanced = "4.3.2";
    log_warn("intake", "%s: %s", what, err_text(e));
    r.text = ar_printf(a, "%s; try again later", what);
    return r;
}

/* Section 2.4: the reply names the classes as a parameter of MAIL would. */
struct intake_refusal intake_solicits(const struct intake *in, const struct intake_from *from,
                                      struct slice classes, struct arena *a)
{
    struct intake_refusal no = {.code = 550, .enhanced = "5.7.1", .error = ERR_DENIED};
    if (from->origin != INTAKE_STRANGER || !smtp_solicit_meets(classes, in->no_soliciting))
        return (struct intake_refusal){0};
    no.text = ar_printf(a, "Letters of this class are not wanted here: SOLICIT=%.*s", SLF(in->no_soliciting));
    return no;
}

void intake_fail(struct intake_letter *l, int e, const char *what)
{
    struct intake_refusal r = intake_failure(&l->a, e, what);
    if (e == ERR_QUOTA && l->from.origin != INTAKE_OURS)
        r = intake_over_quota(l->in, SL("The mailbox is full; its owner has to make room"));
    if (!l->refusal.code) l->refusal = r;
}

void intake_refuse(struct intake_letter *l, int error, int code, const char *enhanced, const char *fmt, ...)
{
    if (l->refusal.code) return;
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    l->refusal = (struct intake_refusal){code, enhanced, error, ar_dup(&l->a, sl_cstr(text))};
}

void intake_run(struct intake_letter *l, intake_step *const *step, size_t n)
{
    for (size_t i = 0; i < n && !l->refusal.code; i++) step[i](l);
}
