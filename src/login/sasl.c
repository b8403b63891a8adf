/* sasl.c - the server's side of a login (RFC 4422, 4616, 5802, 7677; LOGIN as it is done). */
#include "sasl.h"

#include "base/log.h"
#include "base/text.h"
#include "rt/conn.h"

static const char *const names[] = {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN",
                                    "OAUTHBEARER",        "XOAUTH2",       "EXTERNAL"};

void sasl_put(struct buf *out, unsigned set, const char *before, const char *after)
{
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (set >> i & 1) buf_printf(out, "%s%s%s", before, names[i], after);
}

const char *sasl_word(struct slice given)
{
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (sl_eqi(given, sl_cstr(names[i]))) return names[i];
    return "";
}

unsigned sasl_offered(unsigned set, const struct conn *c)
{
    uint8_t binding[32];
    if (!set) set = SASL_ALL;
    if (!c || conn_tls_exporter(c, binding)) set &= ~(unsigned)SASL_SCRAM_PLUS;
    if (!c || !conn_tls_client(c, NULL, NULL)) set &= ~(unsigned)SASL_EXTERNAL;
    return set;
}

static int not_known(unsigned offered)
{
    struct buf b = BUF_INIT;
    sasl_put(&b, offered, " ", "");
    int e =
        err_set(ERR_UNSUPPORTED, "this way to log in is not known here, known are%.*s", SLF(buf_slice(&b)));
    buf_free(&b);
    return e;
}

int sasl_begin(struct sasl *x, struct login *l, struct arena *a, struct slice mechanism, unsigned offered,
               const struct conn *c)
{
    uint8_t binding[32];
    bool binds = conn_tls_exporter(c, binding) == 0;
    unsigned m = 0;
    while (m < COUNT_OF(names) && !sl_eqi(mechanism, sl_cstr(names[m]))) m++;
    m = m < COUNT_OF(names) ? 1u << m & offered : 0;
    if (!m || (m == SASL_SCRAM_PLUS && !binds)) return not_known(offered);
    *x = (struct sasl){.login = l, .a = a, .mechanism = m};
    /* Without -PLUS a client that says that it could bind is right (RFC 5802 section 6). */
    if (binds && (offered & SASL_SCRAM_PLUS)) {
        memcpy(x->scram.cb_data, binding, 32);
        x->scram.cb_size = 32;
    }
    if (m == SASL_EXTERNAL) x->ncertified = conn_tls_client(c, a, &x->certified);
    return 0;
}

/* ---- PLAIN and LOGIN ---- */

struct proof {
    struct sasl *x;
    struct slice said;
    struct slice *out;
    struct scram_keys *keys; /* of who is named */
    int (*prove)(void *);
};

/* What is held against the account by hand binds him who proves it without naming it, too. */
static int prove_allowed(void *arg)
{
    struct proof *p = arg;
    int e = p->prove(p);
    return e || !p->x->allows ? e : p->x->allows(p->x->guard_arg, p->x->account.address);
}

/* May this user try at all? Asked when everything is there that is to be proved, and before a key is derived,
 * which costs much: nobody holds up others' tries by saying half of a proof. */
static int guarded(struct sasl *x, int (*prove)(void *), struct proof *p)
{
    struct slice name = SL(""); /* of a token alone */
    p->prove = prove;
    if (!x->guard) return prove_allowed(p);
    int e = x->user.n ? login_counted(x->login, x->a, x->user, x->guard, x->guard_arg, &name) : 0;
    return e ? e : x->guard(x->guard_arg, name, prove_allowed, p);
}

static int prove_password(void *arg)
{
    struct proof *p = arg;
    struct sasl *x = p->x;
    struct login_try try = {x->user, p->said, x->protocol, x->asker, x->allows, x->guard_arg};
    return login_password(x->login, x->a, &try, &x->account);
}

static int finish_password(struct sasl *x, struct slice password)
{
    return guarded(x, prove_password, &(struct proof){.x = x, .said = password});
}

static int step_plain(struct sasl *x, struct slice response)
{
    struct sasl_plain p;
    int e = sasl_plain_parse(response, &p);
    if (e) return e;
    x->user = ar_dup(x->a, p.authcid);
    if (p.authzid.n && !sl_eqi(p.authzid, p.authcid))
        return err_set(ERR_DENIED, "nobody may act as somebody else");
    return finish_password(x, p.password);
}

static int step_login(struct sasl *x, struct slice response, struct slice *out)
{
    if (!response.n || response.n > SASL_FIELD_MAX || !utf8_valid(response) ||
        sl_chr(response, '\0') != SL_NONE)
        return err_set(ERR_SYNTAX, "user name and password must be UTF-8 of at most %d bytes",
                       SASL_FIELD_MAX);
    if (x->step++) return finish_password(x, response);
    x->user = ar_dup(x->a, response);
    *out = SL("Password:");
    return SASL_MORE;
}

/* ---- tokens (RFC 7628, and XOAUTH2 as it is done) ---- */

static int prove_token(void *arg)
{
    struct proof *p = arg;
    struct sasl *x = p->x;
    return login_token(x->login, x->a,
                       &(struct login_try){x->user, p->said, x->protocol, x->asker, NULL, NULL}, &x->account);
}

/* The reason is a challenge in JSON, which the client answers with anything; then it has failed (section
 * 3.2.3). */
static int step_bearer(struct sasl *x, struct slice response, struct slice *out)
{
    struct sasl_bearer b;
    if (x->step++) return err_set(x->denied, "%.*s", SLF(x->why));
    int r = sasl_bearer_parse(response, x->mechanism == SASL_XOAUTH2, &b);
    if (r) return r;
    x->user = ar_dup(x->a, b.user);
    r = guarded(x, prove_token, &(struct proof){.x = x, .said = b.token});
    if (r != ERR_DENIED) return r;
    x->denied = r;
    x->why = ar_dup(x->a, sl_cstr(err_text(r)));
    *out = x->mechanism == SASL_XOAUTH2 ? SL("{\"status\":\"401\",\"schemes\":\"bearer\"}")
                                        : SL("{\"status\":\"invalid_token\",\"schemes\":\"bearer\"}");
    return SASL_MORE;
}

/* ---- a certificate (RFC 4422 appendix A) ---- */

static int prove_certificate(void *arg)
{
    struct proof *p = arg;
    struct sasl *x = p->x;
    return login_certified(x->login, x->a, x->certified, x->ncertified, p->said, &x->account);
}

/* The message is whom the client wants to be, or empty: then the certificate must name one alone. */
static int step_external(struct sasl *x, struct slice response)
{
    if (response.n > SASL_FIELD_MAX || !utf8_valid(response) || sl_chr(response, '\0') != SL_NONE)
        return err_set(ERR_SYNTAX, "the name must be UTF-8 of at most %d bytes", SASL_FIELD_MAX);
    x->user = response.n ? ar_dup(x->a, response) : x->ncertified ? x->certified[0] : SL("");
    return guarded(x, prove_certificate, &(struct proof){.x = x, .said = response});
}

/* ---- SCRAM ---- */

static struct scram_keys app_keys(const struct account *acc, const struct app_password *p,
                                  enum scram_kind kind)
{
    struct scram_keys k = acc->keys; /* salt and count are the same */
    k.kind = kind;
    size_t n = scram_size(kind);
    memcpy(k.stored_key, kind == SCRAM_SHA1 ? p->old_stored_key : p->stored_key, n);
    memcpy(k.server_key, kind == SCRAM_SHA1 ? p->old_server_key : p->server_key, n);
    return k;
}

/* The keys of the account's app passwords, to be tried as well. One without keys of SCRAM-SHA-1 has zeros,
 * which no client's key is hashed to. */
static void offer_apps(struct sasl *x, enum scram_kind kind)
{
    const struct account *acc = &x->account;
    struct scram_keys *keys = ar_array(x->a, struct scram_keys, acc->napps);
    for (size_t i = 0; i < acc->napps; i++) keys[i] = app_keys(acc, &acc->app[i], kind);
    x->scram.other = keys;
    x->scram.nother = acc->napps;
}

static bool has_old_keys(const struct account *acc)
{
    bool any = acc->old.iterations != 0;
    for (size_t i = 0; i < acc->napps; i++) any = any || acc->app[i].has_old;
    return any;
}

/* Made-up keys, with the salt and count that the account has when there is one. */
static int scram_nobody(struct sasl *x, enum scram_kind kind, bool known, struct scram_keys *keys)
{
    x->denied = ERR_DENIED;
    login_decoy(x->login, x->user, keys);
    keys->kind = kind;
    if (!known) return 0;
    memcpy(keys->salt, x->account.keys.salt, sizeof keys->salt);
    keys->iterations = x->account.keys.iterations;
    return 0;
}

/* An unknown or disabled user gets made-up keys and fails at the end like a wrong password. */
static int scram_user(struct sasl *x, struct scram_keys *keys)
{
    enum scram_kind kind = x->mechanism == SASL_SCRAM_SHA1 ? SCRAM_SHA1 : SCRAM_SHA256;
    int e = login_find(x->login, x->a, x->user, &x->account);
    if (e == ERR_NOT_FOUND || e == ERR_DENIED || e == ERR_SYNTAX)
        return scram_nobody(x, kind, e == ERR_DENIED, keys);
    if (e) return e;
    if (kind == SCRAM_SHA1 && !has_old_keys(&x->account)) {
        x->why = SL("the password was set before SCRAM-SHA-1 was offered: set it again");
        return scram_nobody(x, kind, true, keys);
    }
    if (x->account.elsewhere.n)
        x->why = SL(
            "only app passwords of people elsewhere (ldap) are known here: PLAIN or LOGIN take the others");
    *keys = kind == SCRAM_SHA1 ? x->account.old : x->account.keys;
    if (!keys->iterations) *keys = app_keys(&x->account, &(struct app_password){0}, kind);
    offer_apps(x, kind);
    return 0;
}

/* Looking somebody up proves nothing yet, but it costs a search: who is shut out gets none. */
static int find_scram_user(void *arg)
{
    struct proof *p = arg;
    int e = scram_user(p->x, p->keys);
    return e ? e : 1;
}

static int scram_begin(struct sasl *x, struct slice response, struct slice *out)
{
    struct scram_keys keys;
    uint8_t nonce[18];
    int r = scram_first(&x->scram, x->a, response, x->mechanism == SASL_SCRAM_PLUS);
    if (r) return r;
    x->user = x->scram.user;
    r = guarded(x, find_scram_user, &(struct proof){.x = x, .keys = &keys});
    if (r < 0) return r;
    rt_random(nonce, sizeof nonce);
    *out = scram_challenge(&x->scram, &keys, b64_encode_ar(x->a, sl(nonce, sizeof nonce)));
    return SASL_MORE;
}

static int prove_scram(void *arg)
{
    struct proof *p = arg;
    struct sasl *x = p->x;
    int r = scram_final(&x->scram, p->said, p->out);
    if (r == 0 && x->denied) r = x->denied;
    if (r == 0 && x->allows && x->allows(x->guard_arg, x->account.address)) r = ERR_DENIED;
    if (r == ERR_DENIED) err_set(r, "%.*s", SLF(x->why.n ? x->why : SL("user name or password is wrong")));
    if (r) return r;
    return login_with(x->login, &x->account, x->scram.which ? &x->account.app[x->scram.which - 1] : NULL,
                      x->protocol);
}

static int step_scram(struct sasl *x, struct slice response, struct slice *out)
{
    int r;
    switch (x->step++) {
    case 0: return scram_begin(x, response, out);
    case 1:
        r = guarded(x, prove_scram, &(struct proof){.x = x, .said = response, .out = out});
        return r ? r : SASL_MORE;
    default: /* the server's signature was sent; an empty answer ends it (RFC 5802 section 5) */
        return response.n ? err_set(ERR_SYNTAX, "nothing was to be said any more") : SASL_DONE;
    }
}

static int step(struct sasl *x, struct slice response, struct slice *out)
{
    switch (x->mechanism) {
    case SASL_PLAIN: return step_plain(x, response);
    case SASL_LOGIN: return step_login(x, response, out);
    case SASL_BEARER:
    case SASL_XOAUTH2: return step_bearer(x, response, out);
    case SASL_EXTERNAL: return step_external(x, response);
    default: return step_scram(x, response, out);
    }
}

int sasl_step(struct sasl *x, struct slice response, struct slice *out)
{
    *out = SL("");
    int r = step(x, response, out);
    bool secret = x->mechanism & (SASL_PLAIN | SASL_LOGIN | SASL_BEARER | SASL_XOAUTH2);
    if (secret && response.n) wipe((char *)response.p, response.n); /* the session may go on for days */
    return r;
}

int sasl_start(struct sasl *x, const struct slice *initial, struct slice *out)
{
    *out = SL("");
    if (initial) return sasl_step(x, *initial, out);
    if (x->mechanism == SASL_LOGIN) *out = SL("Username:");
    return SASL_MORE;
}

void sasl_tell(const char *session, struct slice user, struct slice why)
{
    LOG_EVENT(LOG_INFO, "login", {"event", why.n ? SL("refused") : SL("accepted")},
              {"user", sl_sub(user, 0, 254)}, {"session", sl_cstr(session)}, {"why", why});
}

/* ---- the messages ---- */

static bool field_ok(struct slice s) { return s.n <= SASL_FIELD_MAX && utf8_valid(s); }

int sasl_plain_parse(struct slice message, struct sasl_plain *out)
{
    struct slice rest = message;
    if (!message.p || !sl_next(&rest, '\0', &out->authzid) || !sl_next(&rest, '\0', &out->authcid) ||
        !sl_next(&rest, '\0', &out->password) || rest.p)
        return err_set(ERR_SYNTAX, "PLAIN wants three fields with NUL between them");
    if (!out->authcid.n || !out->password.n)
        return err_set(ERR_SYNTAX, "user name and password must not be empty");
    if (!field_ok(out->authzid) || !field_ok(out->authcid) || !field_ok(out->password))
        return err_set(ERR_SYNTAX, "user name and password must be UTF-8 of at most %d bytes",
                       SASL_FIELD_MAX);
    return 0;
}

/* RFC 6750 section 2.1: b64token. */
static bool is_token(struct slice s)
{
    size_t n = 0;
    while (n < s.n && (is_alnum(s.p[n]) || (s.p[n] && strchr("-._~+/", s.p[n])))) n++;
    bool some = n > 0;
    while (n < s.n && s.p[n] == '=') n++;
    return some && n == s.n;
}

/* "n,a=user@example.com," as in GS2 (RFC 5801 section 4), without the escapes of a saslname: no address of
 * ours has a comma or equals sign. */
static bool gs2_user(struct slice head, struct slice *user)
{
    struct slice flag, zid;
    *user = SL("");
    if (!sl_next(&head, ',', &flag) || !sl_next(&head, ',', &zid) || !head.p || head.n) return false;
    if (!sl_eq(flag, SL("n")) && !sl_eq(flag, SL("y"))) return false;
    if (zid.n && !sl_starts(zid, SL("a="))) return false;
    *user = sl_from(zid, zid.n ? 2 : 0);
    return true;
}

int sasl_bearer_parse(struct slice message, bool xoauth2, struct sasl_bearer *out)
{
    struct slice rest = message, field;
    int tokens = 0;
    *out = (struct sasl_bearer){{"", 0}, {"", 0}};
    bool good = message.p && sl_next(&rest, 1, &field);
    if (good && xoauth2) good = sl_starts(field, SL("user=")), out->user = sl_from(field, 5);
    else if (good) good = gs2_user(field, &out->user);
    while (good && sl_next(&rest, 1, &field)) {
        if (!sl_startsi(field, SL("auth=Bearer "))) continue;
        out->token = sl_from(field, 12);
        tokens++;
    }
    if (!good || tokens != 1 || !is_token(out->token) || !utf8_valid(out->user) ||
        out->user.n > SASL_FIELD_MAX || sl_chr(out->user, 0) != SL_NONE)
        return err_set(ERR_SYNTAX, "this is no message of %s", xoauth2 ? "XOAUTH2" : "OAUTHBEARER");
    return 0;
}

int sasl_line_decode(struct arena *a, struct slice line, struct slice *out)
{
    *out = SL("");
    if (sl_eq(line, SL("*"))) return err_set(ERR_CANCELED, "the client gave the login up");
    if (sl_eq(line, SL("=")) || !line.n) return 0;
    int e = b64_decode_ar(a, line, true, out);
    return e ? err_set(e, "what is said in a login is base64, and this is none") : 0;
}
