/* elsewhere.c - accounts of people who are kept in a directory elsewhere (people/): made when somebody writes
 * to them or logs in, found again by an id that outlives their addresses, disabled while they are gone. */
#include "base/log.h"
#include "base/text.h"
#include "directory_i.h"
#include "mail/addr.h"
#include "people/people.h"

enum { TRIES = 3, WAYS_BACK = 4 };
#define NO_ID SL("-")

void directory_set_people(struct directory *dir, struct people *people) { dir->people = people; }

static struct slice id_of(const struct people_entry *p) { return p->id.n ? p->id : NO_ID; }

/* One of the person's addresses as a name of an account here. */
static bool may_name(struct directory *dir, struct arena *a, struct slice address, struct slice *local,
                     struct slice *domain)
{
    return address_split_here(dir, a, address, local, domain) == 0 && sl_chr(*local, '+') == SL_NONE &&
           people_cover(dir->people, *domain);
}

/* ---- the account that a person has ---- */

static int made_in(struct directory *dir, struct arena *a, struct slice domain, struct slice id,
                   struct account *out)
{
    struct slice row, local;
    int e = kv_get(dir->kv, domain_object(a, domain), elsewhere_key(a, id), a, &row);
    if (!e) e = elsewhere_parse(row, &local);
    if (err_is_damage(e)) {
        log_error("directory", "object d:%.*s: the row of a person elsewhere, e:%.*s, cannot be read: %s",
                  SLF(domain), SLF(id), err_text(e));
        return ERR_NOT_FOUND; /* making the account anew finds it by its name */
    }
    if (!e) e = account_read(dir, a, local, domain, out);
    return e || sl_eq(out->elsewhere, id) ? e : ERR_NOT_FOUND;
}

/* In the domain that was asked about, or where else the person has addresses. */
static int made(struct directory *dir, struct arena *a, const struct people_entry *p, struct slice domain,
                struct account *out)
{
    int e = p->id.n ? made_in(dir, a, domain, p->id, out) : ERR_NOT_FOUND;
    for (size_t i = 0; e == ERR_NOT_FOUND && p->id.n && i < p->n; i++) {
        struct slice local, other;
        if (may_name(dir, a, p->address[i], &local, &other) && !sl_eq(other, domain))
            e = made_in(dir, a, other, p->id, out);
    }
    return e;
}

/* What the person's addresses lead to: an account that is theirs, or one of our own, which comes first and in
 * which nobody elsewhere has a say (0); else ERR_NOT_FOUND and in *name the first that nobody has. The values
 * of an attribute have no order: by its bytes is as good as any, and always the same. *taken: by others. */
static int look_at_names(struct directory *dir, struct arena *a, const struct people_entry *p,
                         struct account *out, struct slice *name, struct slice *taken)
{
    struct slice local, domain;
    *name = *taken = (struct slice){0};
    for (size_t i = 0; i < p->n; i++) {
        if (!may_name(dir, a, p->address[i], &local, &domain)) continue;
        struct slice one = mail_addr_join(a, local, domain);
        int e = account_read(dir, a, local, domain, out);
        if (!e && out->elsewhere.n && !sl_eq(out->elsewhere, id_of(p))) *taken = one;
        else if (e != ERR_NOT_FOUND) return e;
        else if (!name->n || sl_cmp(one, *name) < 0) *name = one;
    }
    return ERR_NOT_FOUND;
}

/* ERR_CONFLICT: there is no name for the account, or somebody else had it before, and his mail is there.
 * ERR_EXISTS: another was quicker. */
static int make(struct directory *dir, struct arena *a, const struct people_entry *p, struct account *out)
{
    struct slice name, taken;
    int e = look_at_names(dir, a, p, out, &name, &taken);
    if (e != ERR_NOT_FOUND) return e;
    if (!name.n && taken.n)
        return err_set(ERR_CONFLICT,
                       "the account %.*s is another person's of the directory elsewhere: rename or remove it",
                       SLF(taken));
    if (!name.n)
        return err_set(ERR_CONFLICT,
                       "%.*s has no address here in the directory elsewhere that an account could have",
                       SLF(printable(a, p->dn, 200)));
    e = account_add_elsewhere(dir, name, id_of(p));
    if (!e) log_info("directory", "the account %.*s is made: the directory elsewhere knows it", SLF(name));
    return e ? e : account_get(dir, a, name, out);
}

/* ---- is the person still there? ---- */

struct going {
    struct slice id;
    bool gone;
};

static int change_gone(struct account_change *c)
{
    const struct going *g = c->arg;
    if (!sl_eq(c->acc.elsewhere, g->id)) return ERR_STATE; /* another account has the name now */
    c->acc.gone = g->gone;
    c->acc.disabled = c->acc.disabled_here || g->gone;
    c->acc.authority++;
    return 0;
}

static void set_gone(struct directory *dir, struct account *acc, bool gone)
{
    struct going g = {acc->elsewhere, gone};
    if (acc->gone == gone) return;
    acc->gone = gone;
    acc->disabled = acc->disabled_here || gone;
    int e = account_change(dir, acc->address, &(struct account_change){.change = change_gone, .arg = &g});
    if (e)
        log_warn("directory", "it is not kept that %.*s is %s: %s", SLF(acc->address),
                 gone ? "gone elsewhere" : "there again", err_text(e));
    else
        log_info("directory", "the directory elsewhere %s %.*s",
                 gone ? "does not know any more" : "knows again", SLF(acc->address));
}

/* By an id whose addresses have changed, or are not its own alone: one of those that it has now must be found
 * as the settings say. */
static int person_renamed(struct directory *dir, struct arena *a, const struct account *acc,
                          struct people_entry *out)
{
    struct people_entry p;
    struct slice local, domain;
    int e = sl_eq(acc->elsewhere, NO_ID) ? ERR_NOT_FOUND : people_find_id(dir->people, a, acc->elsewhere, &p);
    if (e) return e;
    int worst = ERR_NOT_FOUND;
    for (size_t i = 0, n = 0; i < p.n && n < WAYS_BACK; i++) {
        if (!may_name(dir, a, p.address[i], &local, &domain)) continue;
        n++;
        e = people_find(dir->people, a, local, domain, out);
        if (!e && sl_eq(out->id, acc->elsewhere)) return 0;
        if (e && e != ERR_NOT_FOUND) worst = e;
    }
    return worst;
}

/* ERR_IO: the question could not be answered, another may be. */
static int person_of(struct directory *dir, struct arena *a, const struct account *acc,
                     struct people_entry *out)
{
    int e = people_find(dir->people, a, acc->local, acc->domain, out);
    if (!e && sl_eq(id_of(out), acc->elsewhere)) return 0;
    if (e && e != ERR_NOT_FOUND && e != ERR_IO) return e;
    int again = person_renamed(dir, a, acc, out);
    return again == ERR_NOT_FOUND && e == ERR_IO ? e : again;
}

void account_refresh(struct directory *dir, struct account *acc)
{
    struct arena a;
    struct people_entry p;
    if (!acc->elsewhere.n || !dir->people) return;
    ar_init(&a, 0);
    int e = person_of(dir, &a, acc, &p);
    if (!e || e == ERR_NOT_FOUND) set_gone(dir, acc, e != 0);
    ar_free(&a);
}

int account_prove(struct directory *dir, const struct account *acc, struct slice password, uint64_t asker)
{
    struct arena a;
    struct people_entry p;
    if (!acc->elsewhere.n || !dir->people) return ERR_DENIED;
    ar_init(&a, 0);
    int e = person_of(dir, &a, acc, &p);
    if (!e) e = people_prove(dir->people, p.dn, password, asker);
    ar_free(&a);
    return e == ERR_NOT_FOUND ? ERR_DENIED : e;
}

int account_elsewhere(struct directory *dir, struct arena *a, struct slice local, struct slice domain,
                      struct account *out)
{
    struct people_entry p;
    int e = dir->people ? people_find(dir->people, a, local, domain, &p) : ERR_NOT_FOUND;
    if (e) return e;
    for (int i = 0; i < TRIES; i++) {
        e = made(dir, a, &p, domain, out);
        if (e == ERR_NOT_FOUND) e = make(dir, a, &p, out);
        if (e != ERR_EXISTS) break;
    }
    if (e == ERR_EXISTS) return err_set(ERR_BUSY, "the account of a person elsewhere is being made");
    if (!e && out->elsewhere.n) set_gone(dir, out, false);
    return e;
}
