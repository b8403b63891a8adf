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

bool directory_has_people(const struct directory *dir) { return dir->people != NULL; }

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

/* ---- an id of another attribute (ldap_id) ---- */

/* Is the account the person's, who has its address? An id of an attribute that the settings do not name any
 * more cannot say no; but who was gone under it may have left the address to somebody else. */
static bool is_theirs(struct directory *dir, const struct account *acc, const struct people_entry *p)
{
    if (sl_eq(acc->elsewhere, id_of(p))) return true;
    if (people_id_counts(dir->people, acc->elsewhere)) return false;
    return !acc->gone || sl_eq(acc->elsewhere, NO_ID);
}

struct adoption {
    struct slice was, id;
};

static int change_id(struct account_change *c)
{
    const struct adoption *x = c->arg;
    if (!sl_eq(c->acc.elsewhere, x->was) && !sl_eq(c->acc.elsewhere, x->id)) return ERR_STATE;
    c->acc.elsewhere = x->id;
    return 0;
}

/* The account that is_theirs() has their id, and from now on that of the attribute that counts.
 * ERR_NOT_FOUND: the person has another account in this domain, so this one is not theirs, or another has the
 * name now. */
static int adopt(struct directory *dir, struct account *acc, const struct people_entry *p)
{
    struct adoption x = {acc->elsewhere, id_of(p)};
    if (sl_eq(x.was, x.id)) return 0;
    int e = account_change(dir, acc->address, &(struct account_change){.change = change_id, .arg = &x});
    if (e == ERR_EXISTS || e == ERR_STATE) return ERR_NOT_FOUND;
    if (e) {
        log_warn("directory", "the account %.*s cannot get the id that ldap_id names now: %s",
                 SLF(acc->address), err_text(e));
        return e;
    }
    log_info("directory", "the account %.*s has the id that ldap_id names now", SLF(acc->address));
    acc->elsewhere = x.id;
    return 0;
}

/* ---- the account that a person gets ---- */

/* Does an alias or a list here have the name, or a name that it stands for at an alias domain? Also one whose
 * row cannot be read: it is somebody's. */
static int is_ours(struct directory *dir, struct arena *a, struct slice local, struct slice domain, bool *yes)
{
    struct alias x;
    struct maillist l;
    enum maillist_role role;
    int e = alias_get(dir, a, local, domain, &x);
    if (e == ERR_NOT_FOUND) e = maillist_named(dir, a, local, domain, &l, &role);
    *yes = !e || err_is_damage(e);
    return *yes || e == ERR_NOT_FOUND ? 0 : e;
}

static int stands_for_ours(struct directory *dir, struct arena *a, struct slice local, struct slice domain,
                           bool *yes)
{
    struct domain d;
    struct account acc;
    int e = is_ours(dir, a, local, domain, yes);
    if (!e && !*yes) e = domain_get(dir, a, domain, &d);
    if (e || *yes || !d.alias_of.n) return e;
    e = account_read(dir, a, local, d.alias_of, &acc);
    *yes = !e || err_is_damage(e);
    if (e == ERR_NOT_FOUND) return is_ours(dir, a, local, d.alias_of, yes);
    return *yes ? 0 : e;
}

/* May the name be that of an account that is new? */
static int look_at_free(struct directory *dir, struct arena *a, struct slice local, struct slice domain,
                        struct slice *name, struct slice *taken)
{
    struct slice one = mail_addr_join(a, local, domain);
    bool ours;
    int e = stands_for_ours(dir, a, local, domain, &ours);
    if (e) return e;
    if (ours) *taken = one;
    else if (!name->n || sl_cmp(one, *name) < 0) *name = one;
    return ERR_NOT_FOUND;
}

/* What the person's addresses lead to: an account that is theirs, or one of our own, which comes first and in
 * which nobody elsewhere has a say (0); else ERR_NOT_FOUND and in *name the first that nobody has. The values
 * of an attribute have no order: by its bytes is as good as any, and always the same. *taken: by others. */
static int look_at_names(struct directory *dir, struct arena *a, const struct people_entry *p,
                         struct account *out, struct slice *name, struct slice *taken)
{
    struct slice local, domain;
    int e = ERR_NOT_FOUND;
    *name = *taken = (struct slice){0};
    for (size_t i = 0; e == ERR_NOT_FOUND && i < p->n; i++) {
        if (!may_name(dir, a, p->address[i], &local, &domain)) continue;
        e = account_read(dir, a, local, domain, out);
        if (e == ERR_NOT_FOUND) {
            e = look_at_free(dir, a, local, domain, name, taken);
            continue;
        }
        if (!e && out->elsewhere.n) e = is_theirs(dir, out, p) ? adopt(dir, out, p) : ERR_NOT_FOUND;
        if (e == ERR_NOT_FOUND) *taken = mail_addr_join(a, local, domain);
    }
    return e;
}

/* ERR_CONFLICT: there is no name for the account, or somebody else had it before, and his mail is there.
 * ERR_EXISTS: another was quicker. */
static int make(struct directory *dir, struct arena *a, const struct people_entry *p, struct account *out)
{
    struct slice name, taken;
    int e = look_at_names(dir, a, p, out, &name, &taken);
    if (e != ERR_NOT_FOUND) return e;
    if (!name.n && taken.n)
        return err_set(
            ERR_CONFLICT,
            "the name %.*s of a person of the directory elsewhere is taken here, by another's account, "
            "an alias or a list: rename or remove that",
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

/* By an id whose addresses have changed, or are not its own alone, or which does not count any more: one of
 * the addresses that it has now must be found as the settings say. */
static int person_renamed(struct directory *dir, struct arena *a, const struct account *acc, uint64_t asker,
                          struct people_entry *out)
{
    struct people_entry p;
    struct slice local, domain;
    int e = people_find_id(dir->people, a, acc->elsewhere, asker, &p);
    if (e) return e;
    int worst = ERR_NOT_FOUND;
    for (size_t i = 0, n = 0; i < p.n && n < WAYS_BACK; i++) {
        if (!may_name(dir, a, p.address[i], &local, &domain)) continue;
        n++;
        e = people_find(dir->people, a, local, domain, asker, out);
        if (!e && (p.id.n ? sl_eq(out->id, p.id) : sl_eq(out->dn, p.dn))) return 0;
        if (e && e != ERR_NOT_FOUND) worst = e;
    }
    return worst;
}

/* ERR_IO: the question could not be answered, another may be. */
static int find_person(struct directory *dir, struct arena *a, const struct account *acc, uint64_t asker,
                       struct people_entry *out)
{
    int e = people_find(dir->people, a, acc->local, acc->domain, asker, out);
    if (!e && is_theirs(dir, acc, out)) return 0;
    if (e && e != ERR_NOT_FOUND && e != ERR_IO) return e;
    int again = person_renamed(dir, a, acc, asker, out);
    return again == ERR_NOT_FOUND && e == ERR_IO ? e : again;
}

static int person_of(struct directory *dir, struct arena *a, struct account *acc, uint64_t asker,
                     struct people_entry *out)
{
    int e = find_person(dir, a, acc, asker, out);
    return e ? e : adopt(dir, acc, out);
}

/* Somebody whose id does not count any more, and whose address leads to nobody, may be there under another.
 */
static void cannot_tell(struct directory *dir, const struct account *acc)
{
    lock_take(&dir->lock);
    bool told = dir->told_id;
    dir->told_id = true;
    lock_release(&dir->lock);
    if (!told)
        log_warn("directory",
                 "ldap_id was another when %.*s was made, and the directory elsewhere does not tell by the "
                 "address whose it is now: this account, and others like it, stay as they are until they are "
                 "renamed to an address that the person has there",
                 SLF(acc->address));
}

/* What is remembered was said before, and was done then. */
static void follow_quota(struct directory *dir, const struct account *acc, const struct people_entry *p)
{
    uint64_t bytes;
    if (!p->fresh || !p->quota.n || !dir->home.limit) return;
    if (!num_size(p->quota, &bytes)) {
        log_warn("directory", "the directory elsewhere says that %.*s may hold \"%.*s\", which is no size",
                 SLF(acc->address), SLF(p->quota));
        return;
    }
    int e = dir->home.limit(dir->home.ctx, acc->id, bytes);
    if (e) log_warn("directory", "how much %.*s may hold is not set: %s", SLF(acc->address), err_text(e));
}

void account_refresh(struct directory *dir, struct arena *a, uint64_t asker, struct account *acc)
{
    struct people_entry p;
    if (!acc->elsewhere.n || !dir->people) return;
    int e = person_of(dir, a, acc, asker, &p);
    if (e == ERR_NOT_FOUND && !people_id_counts(dir->people, acc->elsewhere)) cannot_tell(dir, acc);
    else if (!e || e == ERR_NOT_FOUND) set_gone(dir, acc, e != 0);
    if (!e) follow_quota(dir, acc, &p);
}

int account_prove(struct directory *dir, const struct account *acc, struct slice password, uint64_t asker)
{
    struct arena a;
    struct people_entry p;
    struct account now = *acc;
    if (!acc->elsewhere.n || !dir->people) return ERR_DENIED;
    ar_init(&a, 0);
    int e = person_of(dir, &a, &now, ASK_FOR_LOGINS, &p);
    if (!e) e = people_prove(dir->people, p.dn, password, asker);
    ar_free(&a);
    return e == ERR_NOT_FOUND ? ERR_DENIED : e;
}

int account_elsewhere(struct directory *dir, struct arena *a, struct slice local, struct slice domain,
                      uint64_t asker, struct account *out)
{
    struct people_entry p;
    int e = dir->people ? people_find(dir->people, a, local, domain, asker, &p) : ERR_NOT_FOUND;
    if (e) return e;
    for (int i = 0; i < TRIES; i++) {
        e = made(dir, a, &p, domain, out);
        if (e == ERR_NOT_FOUND) e = make(dir, a, &p, out);
        if (e != ERR_EXISTS) break;
    }
    if (e == ERR_EXISTS) return err_set(ERR_BUSY, "the account of a person elsewhere is being made");
    if (!e && out->elsewhere.n) {
        set_gone(dir, out, false);
        follow_quota(dir, out, &p);
    }
    return e;
}
