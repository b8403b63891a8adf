/* person_name.c - is the person named here? Addresses within any text. */
#include "base/text.h"
#include "core.h"
#include "directory/directory.h"
#include "mail/addr.h"
#include "person.h"
#include "store/store.h"

static struct slice json_escaped(struct arena *a, struct slice s)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\') buf_char(&b, '\\');
        buf_char(&b, s.p[i]);
    }
    struct slice out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return out;
}

static void set_names(struct arena *a, struct person *p, struct slice address, struct slice domain)
{
    p->address = address;
    p->domain = domain;
    p->local = sl_sub(address, 0, address.n - domain.n - 1);
    p->escaped = json_escaped(a, p->local);
    p->swapped = ar_printf(a, "=%.*s=%.*s", SLF(domain), SLF(p->local));
}

int person_of(struct core *core, struct arena *a, struct slice address, struct person *out)
{
    struct directory *dir = core->store->directory;
    struct account acc;
    struct domain d;
    struct slice local, domain;
    *out = (struct person){0};
    int e = address_split(a, address, &local, &domain);
    if (e) return e;
    set_names(a, out, mail_addr_join(a, local, domain), domain);
    e = domain_get(dir, a, domain, &d);
    out->tags = !e || err_is_damage(e); /* its row may be damaged: it is ours */
    e = out->tags ? account_get_damaged(dir, a, out->address, &acc) : ERR_NOT_FOUND;
    if (err_is_damage(e)) out->unread = ar_dup(a, sl_cstr(err_text(e)));
    if (e) return e == ERR_NOT_FOUND || err_is_damage(e) ? 0 : e;
    out->id = ar_dup(a, sl_cstr(acc.id));
    set_names(a, out, acc.address, acc.domain); /* by an alias domain it was another */
    return 0;
}

/* Characters that addresses go on with in text; '=', quotes, brackets and blanks end one. */
static bool goes_on(char c) { return is_alnum(c) || (c && strchr("._+-~", c)) || (unsigned char)c >= 128; }

static bool domain_ends(struct slice t, size_t end)
{
    if (end >= t.n) return true;
    if (is_alnum(t.p[end]) || t.p[end] == '-' || (unsigned char)t.p[end] >= 128) return false;
    return !(t.p[end] == '.' && end + 1 < t.n && is_alnum(t.p[end + 1]));
}

static bool ends_so(struct slice t, size_t at, struct slice word)
{
    return at >= word.n && sl_eqi(sl_sub(t, at - word.n, at), word);
}

/* The local part that ends where the @ stands. */
static bool local_before(const struct person *p, struct slice t, size_t at, size_t *begin)
{
    const struct slice forms[] = {p->local, p->escaped};
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        *begin = at - forms[i].n;
        if (ends_so(t, at, forms[i]) && (!*begin || !goes_on(t.p[*begin - 1]))) return true;
    }
    size_t b = at;
    while (b && goes_on(t.p[b - 1])) b--;
    *begin = b;
    return p->tags && at - b > p->local.n && t.p[b + p->local.n] == '+' &&
           sl_eqi(sl_sub(t, b, b + p->local.n), p->local);
}

bool person_in(const struct person *p, struct slice text, size_t *at, size_t *n)
{
    for (size_t i = *at, found; (found = sl_chr(sl_from(text, i), '@')) != SL_NONE; i++) {
        size_t end, begin;
        i += found;
        end = i + 1 + p->domain.n;
        if (ends_so(text, i, p->swapped) && i - p->swapped.n + 1 >= *at) { /* SRS: not the first "=" */
            *at = i - p->swapped.n + 1;
            *n = p->swapped.n - 1;
            return true;
        }
        if (end > text.n || !sl_eqi(sl_sub(text, i + 1, end), p->domain) || !domain_ends(text, end)) continue;
        if (!local_before(p, text, i, &begin) || begin < *at) continue;
        *at = begin;
        *n = end - begin;
        return true;
    }
    return false;
}
