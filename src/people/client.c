/* client.c - one question to the directory by libldap, on a thread of its own.
 *
 * A connection that was used is kept for the next question, apart for searches and for proofs: a bind changes
 * who a connection is. What gets no answer on a kept one is asked once more on a new one: nobody may have
 * told us that it is dead. Only a password goes nowhere twice while the server that did not answer about it
 * is alive: there it may have counted as a wrong one already. A server that answers nobody now is passed over
 * for the next of the list, and that is stayed with until the first has its turn again. So is one that does
 * not answer this question in time; whether it answers nobody then, or only this question not, is told by
 * another one, which any server can answer at once. */
#include <ldap.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "people_i.h"

enum { KEPT = 4, ANSWER_MAX = 256 << 10, MATCHES_MAX = 2 };

struct kept {
    LDAP *ld;
    size_t server; /* which of the list */
    int64_t since; /* rt_now() when it was used last */
};
struct links {
    struct links_times times;
    struct lock lock;
    struct kept searching[KEPT], proving[KEPT];
    size_t server;       /* which of the list is asked first now, */
    int64_t first_again; /* and when one question tries the first of the list again, rt_now() scale */
};

struct links *links_new(const struct links_times *times)
{
    struct links *l = xcalloc(1, sizeof *l);
    l->times = *times;
    return l;
}

static struct timeval timeval_of(int64_t ns)
{
    return (struct timeval){.tv_sec = ns / RT_S, .tv_usec = ns % RT_S / 1000};
}

/* RFC 4511 section 4.5.1.5: what a server is told of it is whole seconds, and none would be no limit. */
static int whole_seconds(int64_t ns) { return (int)((ns + RT_S - 1) / RT_S); }

static void hang_up(LDAP *ld)
{
    if (ld) ldap_unbind_ext(ld, NULL, NULL);
}

void links_free(struct links **l)
{
    for (size_t i = 0; *l && i < KEPT; i++) {
        hang_up((*l)->searching[i].ld);
        hang_up((*l)->proving[i].ld);
    }
    free(*l);
    *l = NULL;
}

/* One that is not too old; those that are end. */
static struct kept take(struct links *l, struct kept *kept)
{
    struct kept one = {0};
    LDAP *old[KEPT] = {NULL};
    lock_take(&l->lock);
    for (size_t i = 0; i < KEPT; i++) {
        bool fresh = rt_now() - kept[i].since < l->times.kept_for;
        if (!kept[i].ld || (one.ld && fresh)) continue;
        if (fresh) one = kept[i];
        else old[i] = kept[i].ld;
        kept[i].ld = NULL;
    }
    lock_release(&l->lock);
    for (size_t i = 0; i < KEPT; i++) hang_up(old[i]);
    return one;
}

static void put_back(struct links *l, struct kept *kept, LDAP *ld, size_t server)
{
    lock_take(&l->lock);
    for (size_t i = 0; ld && i < KEPT; i++)
        if (!kept[i].ld) {
            kept[i] = (struct kept){ld, server, rt_now()};
            ld = NULL;
        }
    lock_release(&l->lock);
    hang_up(ld);
}

/* ---- connecting ---- */

static bool is_gone(int rc) { return rc == LDAP_SERVER_DOWN || rc == LDAP_CONNECT_ERROR; }

static int say(LDAP *ld, int e, int rc, const char *what)
{
    char *more = NULL;
    if (ld) ldap_get_option(ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &more);
    e = err_set(e, "the directory of people cannot be %s: %s%s%.*s", what, ldap_err2string(rc),
                more && *more ? ": " : "", SLF(sl_sub(sl_cstr(more ? more : ""), 0, 200)));
    ldap_memfree(more);
    return e;
}

/* ERR_UNREACHABLE: nobody could be answered now; ERR_IO: this question was not. A question that takes long,
 * or that the server is too busy for, says nothing of others: anybody may ask one. */
static int failed(LDAP *ld, int rc, const char *what)
{
    return say(ld, is_gone(rc) || rc == LDAP_UNAVAILABLE ? ERR_UNREACHABLE : ERR_IO, rc, what);
}

/* Of what any server can answer at once: who does not answer that answers nobody. */
static int not_ready(LDAP *ld, int rc, const char *what)
{
    return rc == LDAP_TIMEOUT ? say(ld, ERR_UNREACHABLE, rc, what) : failed(ld, rc, what);
}

/* What is asked from now on must be answered until then. */
static bool set_time(LDAP *ld, int64_t until)
{
    int64_t left = until - rt_now();
    struct timeval time = timeval_of(left > RT_MS ? left : RT_MS);
    int limit = whole_seconds(left > RT_MS ? left : RT_MS);
    return ldap_set_option(ld, LDAP_OPT_TIMELIMIT, &limit) == 0 &&
           ldap_set_option(ld, LDAP_OPT_TIMEOUT, &time) == 0 &&
           ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &time) == 0;
}

/* ---- what was sent is wiped ----
 *
 * A request lies in memory of libldap, which gives it back as it is; when it is handed on, below TLS or to
 * it, it is not read again: referrals are not followed. */

static int layer_begin(Sockbuf_IO_Desc *d, void *arg)
{
    (void)d, (void)arg;
    return 0;
}

static int layer_end(Sockbuf_IO_Desc *d)
{
    (void)d;
    return 0;
}

static int layer_control(Sockbuf_IO_Desc *d, int option, void *arg)
{
    return LBER_SBIOD_CTRL_NEXT(d, option, arg);
}

static ber_slen_t layer_read(Sockbuf_IO_Desc *d, void *p, ber_len_t n)
{
    return LBER_SBIOD_READ_NEXT(d, p, n);
}

static ber_slen_t layer_write(Sockbuf_IO_Desc *d, void *p, ber_len_t n)
{
    ber_slen_t sent = LBER_SBIOD_WRITE_NEXT(d, p, n);
    if (sent > 0) explicit_bzero(p, (size_t)sent);
    return sent;
}

static bool wipe_requests(Sockbuf *sb)
{
    static Sockbuf_IO layer = {layer_begin, layer_end, layer_control, layer_read, layer_write, layer_end};
    return ber_sockbuf_add_io(sb, &layer, LBER_SBIOD_LEVEL_APPLICATION, NULL) == 0;
}

/* Nothing that an ldap.conf of the machine says makes a connection less safe than this. */
static bool set_options(LDAP *ld, const struct people_conf *c, struct arena *a)
{
    int version = LDAP_VERSION3, never = LDAP_DEREF_NEVER, demand = LDAP_OPT_X_TLS_DEMAND, client = 0,
        least = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2;
    ber_len_t most = ANSWER_MAX;
    Sockbuf *sb = NULL;
    bool good = ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version) == 0 &&
                ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) == 0 &&
                ldap_set_option(ld, LDAP_OPT_DEREF, &never) == 0 &&
                ldap_set_option(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand) == 0 &&
                ldap_set_option(ld, LDAP_OPT_X_TLS_PROTOCOL_MIN, &least) == 0;
    if (good && c->authorities.n)
        good = ldap_set_option(ld, LDAP_OPT_X_TLS_CACERTFILE, ar_cstr(a, c->authorities)) == 0;
    if (good) good = ldap_set_option(ld, LDAP_OPT_X_TLS_NEWCTX, &client) == 0;
    if (good && ldap_get_option(ld, LDAP_OPT_SOCKBUF, &sb) == 0 && sb)
        good = ber_sockbuf_ctrl(sb, LBER_SB_OPT_SET_MAX_INCOMING, &most) == 1 && wipe_requests(sb);
    return good;
}

static int bind_as(LDAP *ld, struct arena *a, struct slice dn, struct slice password)
{
    struct berval secret = {password.n, (char *)password.p};
    return ldap_sasl_bind_s(ld, ar_cstr(a, dn), LDAP_SASL_SIMPLE, &secret, NULL, NULL, NULL);
}

/* *ld: connected, in TLS where it must be. */
static int dial(const struct people_conf *c, struct slice server, struct arena *a, int64_t until, LDAP **ld)
{
    int rc = ldap_initialize(ld, ar_cstr(a, server));
    if (rc) return failed(NULL, rc, "reached");
    if (!set_options(*ld, c, a) || !set_time(*ld, until)) rc = LDAP_LOCAL_ERROR;
    if (!rc && sl_starts(server, SL("ldap://")) && !people_is_near(server))
        rc = ldap_start_tls_s(*ld, NULL, NULL);
    if (!rc) return 0;
    int e = not_ready(*ld, rc, "reached");
    hang_up(*ld);
    *ld = NULL;
    return e;
}

/* ---- which of the servers ---- */

struct asking {
    const struct people_conf *c;
    struct arena *a;
    struct slice filter, dn, password; /* one or the others */
    struct people_entry *out;
    const struct links_times *times;
    int64_t until;  /* rt_now() scale: no server is asked after that, */
    int64_t answer; /* and this one has answered until then */
    LDAP *ld;
    size_t server; /* who is asked: which of the list */
    bool dead[PEOPLE_SERVERS_MAX];
    int rc; /* what libldap said of the question */
};

/* The time of one server begins. */
static void begin_server(struct asking *x, size_t server)
{
    int64_t until = rt_now() + x->times->patience;
    x->server = server;
    x->answer = until < x->until ? until : x->until;
    x->rc = 0;
}

static bool is_late(const struct asking *x, int e) { return e == ERR_IO && x->rc == LDAP_TIMEOUT; }

/* One question a minute tries whether the first answers again; the others do not wait for what it hears. */
static size_t first_server(struct links *l, size_t n)
{
    lock_take(&l->lock);
    if (l->server >= n) l->server = 0;
    size_t from = l->server;
    if (from && rt_now() >= l->first_again) {
        l->first_again = rt_now() + l->times.first_after;
        from = 0;
    }
    lock_release(&l->lock);
    return from;
}

/* Who began with `from` was answered by k: from now on others begin there, unless somebody else has changed
 * that meanwhile. */
static void stay_with(struct links *l, size_t from, size_t k)
{
    lock_take(&l->lock);
    if (k == 0) {
        l->server = 0;
    } else if (k != from && l->server == from) {
        l->server = k;
        l->first_again = rt_now() + l->times.first_after;
    }
    lock_release(&l->lock);
}

/* Does the server answer anybody? Asked on a connection of its own about itself (RFC 4512 section 5.1), after
 * it did not answer something else in time; what it says to this does not matter. */
static int answers(const struct asking *x, struct slice server)
{
    char *none[] = {LDAP_NO_ATTRS, NULL};
    LDAPMessage *got = NULL;
    LDAP *ld = NULL;
    int64_t until = rt_now() + x->times->alive;
    int e = dial(x->c, server, x->a, until, &ld);
    if (e) return e;
    (void)set_time(ld, until);
    int rc =
        ldap_search_ext_s(ld, "", LDAP_SCOPE_BASE, "(objectClass=*)", none, 0, NULL, NULL, NULL, 1, &got);
    if (rc == LDAP_TIMEOUT || is_gone(rc)) e = not_ready(ld, rc, "asked anything");
    ldap_msgfree(got);
    hang_up(ld);
    return e;
}

/* What it means that a server said e. A time-out (is_late()) that stays one: it answers others. */
static int judge_late(struct asking *x, struct slice server, int e)
{
    if (!is_late(x, e)) return e;
    int other = answers(x, server);
    return other ? other
                 : err_set(ERR_IO, "the directory of people did not answer this question within %d seconds",
                           whole_seconds(x->times->patience));
}

/* On a new connection to one server. */
static int ask_one(struct asking *x, struct slice server, int (*step)(struct asking *x))
{
    int e = dial(x->c, server, x->a, x->answer, &x->ld);
    if (e) return e;
    (void)set_time(x->ld, x->answer);
    return judge_late(x, server, step(x));
}

/* On a new connection, of each server in turn until one answers. ERR_UNREACHABLE: none answers anybody;
 * ERR_TIMEOUT: there was no time to ask all; the next question begins with those. */
static int ask_anew(struct links *l, struct asking *x, int (*step)(struct asking *x))
{
    struct slice server[PEOPLE_SERVERS_MAX];
    size_t n = people_servers(x->c->server, server), from = first_server(l, n);
    bool alive = false;
    int e = err_set(ERR_UNREACHABLE, "no server of the directory of people answers");
    for (size_t i = 0; i < n; i++) {
        size_t k = (from + i) % n;
        if (x->dead[k]) continue;
        if (rt_now() >= x->until) {
            stay_with(l, from, k);
            return err_set(ERR_TIMEOUT, "the directory of people did not answer in time");
        }
        begin_server(x, k);
        e = ask_one(x, server[k], step);
        if (!e || e == ERR_DENIED || e == ERR_NOT_FOUND) stay_with(l, from, k);
        if (e != ERR_UNREACHABLE && (!is_late(x, e) || x->dn.n)) return e;
        alive = alive || e == ERR_IO;
        hang_up(x->ld);
        x->ld = NULL;
    }
    if (alive && e == ERR_UNREACHABLE)
        e = err_set(ERR_IO, "no server of the directory of people answered this question");
    return e;
}

/* On a kept connection. What is asked elsewhere then: ERR_UNREACHABLE. */
static int ask_on_kept(struct asking *x, const struct kept *kept, int (*step)(struct asking *x))
{
    struct slice server[PEOPLE_SERVERS_MAX];
    size_t n = people_servers(x->c->server, server);
    if (!kept->ld || kept->server >= n) return ERR_UNREACHABLE;
    begin_server(x, kept->server);
    (void)set_time(x->ld, x->answer);
    int e = step(x);
    if (!is_late(x, e)) return e;
    if (!x->dn.n) return ERR_UNREACHABLE; /* a search may be repeated */
    e = judge_late(x, server[x->server], e);
    x->dead[x->server] = e == ERR_UNREACHABLE;
    return e;
}

/* On a kept connection first, if there is one. What is kept afterwards: the connection of an answer. */
static int ask_kept(struct links *l, struct kept *kept, struct asking *x, int (*on_kept)(struct asking *x),
                    int (*on_new)(struct asking *x))
{
    struct kept one = take(l, kept);
    x->times = &l->times;
    x->until = rt_now() + l->times.whole - l->times.alive;
    x->ld = one.ld;
    int e = ask_on_kept(x, &one, on_kept);
    if (e == ERR_UNREACHABLE) {
        hang_up(x->ld);
        x->ld = NULL;
        e = ask_anew(l, x, on_new);
    }
    if (e && e != ERR_NOT_FOUND && e != ERR_DENIED) hang_up(x->ld);
    else put_back(l, kept, x->ld, x->server);
    return e;
}

/* ---- who has it ---- */

static bool has_nul(struct slice s) { return sl_chr(s, 0) != SL_NONE; }

static struct slice value_slice(const struct berval *v) { return sl(v->bv_val, v->bv_len); }

static int strange(const char *what)
{
    return err_set(ERR_IO, "the directory of people answers with %s", what);
}

static int read_addresses(LDAP *ld, LDAPMessage *entry, const char *attribute, struct arena *a,
                          struct people_entry *out)
{
    struct berval **v = ldap_get_values_len(ld, entry, attribute);
    size_t n = v ? (size_t)ldap_count_values_len(v) : 0;
    int e = n > PEOPLE_ADDRESSES_MAX ? strange("an entry of too many addresses") : 0;
    out->address = ar_array(a, struct slice, n);
    for (size_t i = 0; !e && i < n; i++)
        if (v[i]->bv_len && !has_nul(value_slice(v[i])))
            out->address[out->n++] = ar_dup(a, value_slice(v[i]));
    ldap_value_free_len(v);
    return e;
}

static int read_id(LDAP *ld, LDAPMessage *entry, const char *attribute, struct arena *a,
                   struct people_entry *out)
{
    struct berval **v = ldap_get_values_len(ld, entry, attribute);
    struct buf hex = BUF_INIT;
    int e = 0;
    if (!v || ldap_count_values_len(v) != 1 || !v[0]->bv_len || v[0]->bv_len > PEOPLE_ID_MAX)
        e = strange("an entry without its id (ldap_id)");
    if (!e) hex_encode(&hex, value_slice(v[0]));
    out->id = ar_dup(a, buf_slice(&hex));
    buf_free(&hex);
    ldap_value_free_len(v);
    return e;
}

/* One that cannot be meant so is none: mail goes on. */
static void read_quota(LDAP *ld, LDAPMessage *entry, const char *attribute, struct arena *a,
                       struct people_entry *out)
{
    struct berval **v = ldap_get_values_len(ld, entry, attribute);
    if (v && ldap_count_values_len(v) == 1 && v[0]->bv_len <= PEOPLE_QUOTA_MAX && !has_nul(value_slice(v[0])))
        out->quota = ar_dup(a, value_slice(v[0]));
    ldap_value_free_len(v);
}

static int read_entry(LDAP *ld, LDAPMessage *entry, const struct people_conf *c, struct arena *a,
                      struct people_entry *out)
{
    char *dn = ldap_get_dn(ld, entry);
    struct slice name = sl_cstr(dn ? dn : "");
    int e = !name.n || name.n > PEOPLE_DN_MAX ? strange("an entry without a name, or with a long one") : 0;
    *out = (struct people_entry){.dn = ar_dup(a, name)};
    ldap_memfree(dn);
    if (!e && c->address.n) e = read_addresses(ld, entry, ar_cstr(a, c->address), a, out);
    if (!e && c->id.n) e = read_id(ld, entry, ar_cstr(a, c->id), a, out);
    if (!e && c->quota.n) read_quota(ld, entry, ar_cstr(a, c->quota), a, out);
    return e;
}

/* RFC 4511 section 4.5.3: who is not here may be where a reference leads to, and no reference is followed. */
static int nobody(LDAP *ld, LDAPMessage *got)
{
    return ldap_count_references(ld, got) > 0
               ? strange("references to other servers and no entry: whether there is one cannot be known")
               : ERR_NOT_FOUND;
}

static int search_on(struct asking *x)
{
    const struct people_conf *c = x->c;
    const struct slice wanted[] = {c->address, c->id, c->quota};
    char *attributes[COUNT_OF(wanted) + 1] = {LDAP_NO_ATTRS};
    for (size_t n = 0, to = 0; n < COUNT_OF(wanted); n++)
        if (wanted[n].n) attributes[to++] = ar_cstr(x->a, wanted[n]);
    LDAPMessage *got = NULL;
    x->rc = ldap_search_ext_s(x->ld, ar_cstr(x->a, c->base), LDAP_SCOPE_SUBTREE, ar_cstr(x->a, x->filter),
                              attributes, 0, NULL, NULL, NULL, MATCHES_MAX, &got);
    int n = got ? ldap_count_entries(x->ld, got) : 0, e = 0;
    if (x->rc == LDAP_SIZELIMIT_EXCEEDED || n > 1)
        e = strange("several entries: an address must be one person's");
    else if (x->rc) e = failed(x->ld, x->rc, "searched");
    else e = n == 1 ? read_entry(x->ld, ldap_first_entry(x->ld, got), c, x->a, x->out) : nobody(x->ld, got);
    ldap_msgfree(got);
    return e;
}

static int log_in(LDAP *ld, const struct people_conf *c, struct arena *a)
{
    int rc = c->login.n ? bind_as(ld, a, c->login, c->password) : 0;
    return rc ? not_ready(ld, rc, "asked as ldap_login says") : 0;
}

static int search_anew(struct asking *x)
{
    int e = log_in(x->ld, x->c, x->a);
    if (!e) (void)set_time(x->ld, x->answer);
    return e ? e : search_on(x);
}

int ldap_ask(void *arg, const struct people_conf *c, struct slice filter, struct arena *a,
             struct people_entry *out)
{
    struct links *l = arg;
    struct asking x = {.c = c, .a = a, .filter = filter, .out = out};
    return ask_kept(l, l->searching, &x, search_on, search_anew);
}

/* ---- is that the password? ---- */

/* What a directory says of an entry that has no password, or may not use it, is no other than of a wrong
 * one. */
static int judge_bind(LDAP *ld, int rc)
{
    switch (rc) {
    case LDAP_SUCCESS: return 0;
    case LDAP_INVALID_CREDENTIALS:
    case LDAP_INAPPROPRIATE_AUTH:
    case LDAP_NO_SUCH_OBJECT:
    case LDAP_INVALID_DN_SYNTAX: return ERR_DENIED;
    default: return failed(ld, rc, "asked about a password");
    }
}

static int prove_on(struct asking *x)
{
    x->rc = bind_as(x->ld, x->a, x->dn, x->password);
    return judge_bind(x->ld, x->rc);
}

int ldap_prove(void *arg, const struct people_conf *c, struct slice dn, struct slice password)
{
    struct links *l = arg;
    struct arena a;
    ar_init(&a, 0);
    struct asking x = {.c = c, .a = &a, .dn = dn, .password = password};
    int e = ask_kept(l, l->proving, &x, prove_on, prove_on);
    ar_free(&a);
    return e;
}
