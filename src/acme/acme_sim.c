/* acme_sim.c - an authority that errs, lies, stalls or is gone: a clear sentence, the old certificate stays,
 * the next attempt is later. That it works with one that does what it should is shown with pebble
 * (tests/peers). */
#include <stdio.h>
#include <stdlib.h>

#include "acme_i.h"
#include "base/log.h"
#include "base/test.h"
#include "dns/dns.h"
#include "kv/record.h"
#include "mail/date.h"
#include "rt/tls.h"
#include "sim/sim.h"

enum fault {
    NO_FAULT,
    GONE,
    DIRECTORY_500,
    DIRECTORY_IS_TEXT,
    NO_NONCE,
    NONCE_NEVER_GOOD,
    ACCOUNT_REFUSED,
    ACCOUNT_UNNAMED,
    RATE_LIMITED,
    ORDER_WITHOUT_FINALIZE,
    NO_HTTP_PROOF,
    TOKEN_LEADS_AWAY,
    NOT_PROVED,
    NEVER_ENDS,
    ORDER_INVALID,
    NAMES_OBEYED,
    OTHER_NAME,
    OTHER_KEY,
    HUGE_CHAIN,
    ORDER_EXPIRES,
    VANISHES,
    DIES_AT_THE_END,
    FAULTS
};
static const struct {
    const char *says;
    int e;
} expected[FAULTS] = {
    [GONE] = {"so it is", ERR_UNREACHABLE},
    [DIRECTORY_500] = {"no directory of an authority", ERR_SYNTAX},
    [DIRECTORY_IS_TEXT] = {"no directory of an authority", ERR_SYNTAX},
    [NO_NONCE] = {"gives no nonce", ERR_SYNTAX},
    [NONCE_NEVER_GOOD] = {"the authority says: old", ERR_DENIED},
    [ACCOUNT_REFUSED] = {"no account with the authority: the authority says: not you", ERR_DENIED},
    [ACCOUNT_UNNAMED] = {"does not name the account", ERR_SYNTAX},
    [RATE_LIMITED] = {"the authority says: too often", ERR_BUSY},
    [ORDER_WITHOUT_FINALIZE] = {"order makes no sense", ERR_SYNTAX},
    [NO_HTTP_PROOF] = {"offers no proof of mail.one.test that can be given here", ERR_UNSUPPORTED},
    [TOKEN_LEADS_AWAY] = {"offers no proof", ERR_UNSUPPORTED},
    [NOT_PROVED] = {"the name mail.one.test is not proved by http-01: the authority says: saw \\x1b[2J",
                    ERR_DENIED},
    [NEVER_ENDS] = {"does not come to an end with a proof", ERR_TIMEOUT},
    [ORDER_INVALID] = {"the authority says: caa", ERR_DENIED},
    [NAMES_OBEYED] = {"a proof of \\x1b[2J, which was not asked for", ERR_SYNTAX},
    [OTHER_NAME] = {"a proof of bank.test, which was not asked for", ERR_SYNTAX},
    [OTHER_KEY] = {"is for another key", ERR_DENIED},
    [ORDER_EXPIRES] = {"the authority says: order expired", ERR_DENIED},
    [VANISHES] = {"gone since", ERR_UNREACHABLE},
    [DIES_AT_THE_END] = {"what the authority sent", ERR_SYNTAX},
    [HUGE_CHAIN] = {"more than 49152 bytes", ERR_LIMIT},
};

struct world {
    enum fault fault;
    struct sim_node *node;
    struct dns *dns;
    struct fetch fetch;
    struct kv *kv;
    struct acme *acme;
    struct buf chain, key; /* of another host */
    int requests, changes;
    bool others;
    bool two_names; /* the second has come into the DNS */
    bool silent;    /* the DNS says nothing of it */
    bool new_name;  /* another one has come into the DNS meanwhile */
    int dies_at;    /* the program does, at this request of an attempt; 0: it does not */
    int step, attempts, orders;
    int64_t said;    /* by what the authority's clock is ahead of ours; 0: it does not tell the time */
    bool mistrusted; /* its own certificate is not valid by ours */
    bool full;       /* the disk is, once the certificate has been made */
    int64_t age;     /* of the certificate that is kept, seconds */
};

#define URL "https://ca.test/"
#define PROBLEM(kind, detail) "{\"type\":\"urn:ietf:params:acme:error:" kind "\",\"detail\":\"" detail "\"}"

static void answer(struct fetch_answer *out, int status, const char *body)
{
    out->status = status;
    out->body = sl_cstr(body);
}

static void add_field(const struct fetch_call *c, struct fetch_answer *out, const char *name,
                      const char *value)
{
    if (!out->field) out->field = ar_array(c->a, struct fetch_field, 4);
    out->field[out->nfield++] = (struct fetch_field){sl_cstr(name), sl_cstr(value)};
}

static void tell_time(const struct world *w, const struct fetch_call *c, struct fetch_answer *out)
{
    char text[MAIL_DATE_MAX];
    if (w->said)
        add_field(c, out, "date",
                  ar_cstr(c->a, sl_cstr(mail_date_format(rt_wall_seconds() + w->said, 0, text))));
}

static void directory(const struct world *w, struct fetch_answer *out)
{
    if (w->fault == DIRECTORY_500) return answer(out, 500, "{}");
    if (w->fault == DIRECTORY_IS_TEXT) return answer(out, 200, "<html>welcome</html>");
    answer(out, 200,
           "{\"newNonce\":\"" URL "nonce\",\"newAccount\":\"" URL "account\",\"newOrder\":\"" URL "order\"}");
}

static void account(const struct world *w, const struct fetch_call *c, struct fetch_answer *out)
{
    if (w->fault == NONCE_NEVER_GOOD) return answer(out, 400, PROBLEM("badNonce", "old"));
    if (w->fault == ACCOUNT_REFUSED) return answer(out, 403, PROBLEM("unauthorized", "not you"));
    answer(out, 201, "{\"status\":\"valid\"}");
    if (w->fault != ACCOUNT_UNNAMED) add_field(c, out, "location", URL "account/1");
}

static void order(const struct world *w, const struct fetch_call *c, struct fetch_answer *out)
{
    if (w->fault == RATE_LIMITED) {
        add_field(c, out, "retry-after", "50000");
        return answer(out, 429, PROBLEM("rateLimited", "too often"));
    }
    add_field(c, out, "location", URL "order/1");
    answer(out, 201,
           w->fault == ORDER_WITHOUT_FINALIZE
               ? "{\"status\":\"pending\",\"authorizations\":[\"" URL "authz\"]}"
               : "{\"status\":\"pending\",\"finalize\":\"" URL "finalize\",\"authorizations\":[\"" URL
                 "authz\",7]}");
}

#define AUTHZ(status, type, token, more)                                                                     \
    "{\"status\":\"" status                                                                                  \
    "\",\"identifier\":{\"type\":\"dns\",\"value\":\"mail.one.test\"},\"challenges\":[{"                     \
    "\"type\":\"" type "\",\"url\":\"" URL "challenge\",\"token\":\"" token "\"" more "}]}"

static void authorization(const struct world *w, struct fetch_answer *out)
{
    if (w->fault == NO_HTTP_PROOF) return answer(out, 200, AUTHZ("pending", "dns-01", "abc", ""));
    if (w->fault == NAMES_OBEYED)
        return answer(out, 200,
                      "{\"status\":\"pending\",\"identifier\":{\"value\":\"\\u001b[2J\"},\"challenges\":[]}");
    if (w->fault == OTHER_NAME)
        return answer(out, 200,
                      "{\"status\":\"pending\",\"identifier\":{\"value\":\"bank.test\"},\"challenges\":[{"
                      "\"type\":\"http-01\",\"url\":\"" URL "challenge\",\"token\":\"abc\"}]}");
    if (w->fault == TOKEN_LEADS_AWAY) return answer(out, 200, AUTHZ("pending", "http-01", "../../etc", ""));
    if (w->fault == NOT_PROVED)
        return answer(out, 200,
                      AUTHZ("invalid", "http-01", "abc", ",\"error\":{\"detail\":\"saw \\u001b[2J\"}"));
    answer(out, 200,
           w->fault == NEVER_ENDS ? AUTHZ("pending", "http-01", "abc", "")
                                  : AUTHZ("valid", "http-01", "abc", ""));
}

static void certificate(struct world *w, const struct fetch_call *c, struct fetch_answer *out)
{
    answer(out, 200, "");
    if (w->full) kv_mem_inject(w->kv, KV_FAULT_FULL, 2);
    if (w->fault == DIES_AT_THE_END) return answer(out, 200, "-----BEGIN CERTIFICATE-----\nMIIB");
    out->body = w->fault == HUGE_CHAIN ? sl(ar_array(c->a, char, 60000), 60000) : buf_slice(&w->chain);
}

static int transfer(void *arg, const struct fetch_call *c, struct fetch_answer *out)
{
    struct world *w = arg;
    struct slice path = sl_from(c->request->url, sizeof URL - 1);
    __atomic_add_fetch(&w->requests, 1, __ATOMIC_RELAXED);
    *out = (struct fetch_answer){0};
    w->attempts += sl_eq(path, SL("dir"));
    w->orders += sl_eq(path, SL("order"));
    if (w->dies_at && ++w->step == w->dies_at) return ERR_CANCELED;
    if (w->fault == GONE) return err_set(ERR_UNREACHABLE, "so it is");
    tell_time(w, c, out);
    if (sl_starts(c->request->url, SL("http://"))) return 0;
    if (w->mistrusted) return err_set(ERR_TLS, "ca.test: certificate is not yet valid");
    if (w->fault != NO_NONCE) add_field(c, out, "replay-nonce", "n1");
    if (sl_eq(path, SL("dir"))) directory(w, out);
    else if (sl_eq(path, SL("nonce"))) answer(out, 204, "");
    else if (sl_eq(path, SL("account"))) account(w, c, out);
    else if (sl_eq(path, SL("order"))) order(w, c, out);
    else if (sl_eq(path, SL("authz"))) authorization(w, out);
    else if (sl_eq(path, SL("challenge"))) answer(out, 200, "{}");
    else if (sl_eq(path, SL("finalize"))) answer(out, 200, "{\"status\":\"processing\"}");
    else if (sl_eq(path, SL("order/1")) && w->fault == ORDER_INVALID)
        answer(out, 200, "{\"status\":\"invalid\",\"error\":" PROBLEM("caa", "caa") "}");
    else if (sl_eq(path, SL("order/1")) && w->fault == ORDER_EXPIRES)
        answer(out, 404, PROBLEM("malformed", "order expired"));
    else if (sl_eq(path, SL("order/1")) && w->fault == VANISHES)
        return err_set(ERR_UNREACHABLE, "gone since");
    else if (sl_eq(path, SL("order/1")))
        answer(out, 200, "{\"status\":\"valid\",\"certificate\":\"" URL "cert\"}");
    else certificate(w, c, out);
    return 0;
}

static int names(void *ctx, struct arena *a, struct acme_names *out)
{
    const struct world *w = ctx;
    out->v = ar_array(a, struct slice, 2);
    out->v[0] = SL("mail.one.test");
    out->v[1] = SL("mta-sts.one.test");
    out->n = w->two_names || w->new_name ? 2 : 1;
    if (w->new_name) out->v[1] = SL("mta-sts.two.test");
    out->silent = ar_array(a, struct slice, 1);
    out->silent[0] = SL("mta-sts.one.test");
    out->nsilent = w->silent;
    return 0;
}

/* Two hosts of customers. */
static int others(void *ctx, struct arena *a, struct slice **out, size_t *n)
{
    const struct world *w = ctx;
    *out = ar_array(a, struct slice, 2);
    (*out)[0] = SL("links.shop.example");
    (*out)[1] = SL("links.store.example");
    *n = w->others ? 2 : 0;
    return 0;
}

static void changed(void *arg, struct slice name, struct slice chain, struct slice key)
{
    (void)name, (void)chain, (void)key;
    ((struct world *)arg)->changes++;
}

static void begin(struct world *w)
{
    struct slice name = SL("mail.one.test");
    CHECK_OK(dns_open_zone_text(&w->dns, SL("ca.test. A 192.0.2.1\n")));
    w->fetch.conf =
        (struct fetch_conf){.dns = w->dns, .private_hosts = true, .transfer = transfer, .transfer_arg = w};
    CHECK_OK(kv_mem_open(&w->kv, NULL));
    CHECK_OK(tls_self_signed(&name, 1, 90, &w->chain, &w->key));
    acme_open(&w->acme, &(struct acme_conf){.kv = w->kv,
                                            .fetch = &w->fetch,
                                            .directory = SL(URL "dir"),
                                            .names = names,
                                            .others = others,
                                            .ctx = w,
                                            .contact = SL("postmaster@one.test")});
    acme_on_change(w->acme, changed, w);
}

static void end(struct world *w)
{
    acme_close(&w->acme);
    kv_close(&w->kv);
    dns_close(&w->dns);
    buf_free(&w->chain);
    buf_free(&w->key);
}

static void one_fault(struct world *w)
{
    struct arena a;
    struct acme_kept k;
    struct slice token;
    ar_init(&a, 0);
    int64_t now = rt_wall_seconds();
    CHECK_ERR(acme_renew(w->acme), expected[w->fault].e);
    if (!strstr(err_text(expected[w->fault].e), expected[w->fault].says))
        test_fail(__FILE__, __LINE__, "fault %d: %s", w->fault, err_text(expected[w->fault].e));
    CHECK_OK(acme_kept(w->kv, &a, SL(""), &k));
    CHECK(!k.chain_pem.n && k.failures == 1 && w->changes == 0);
    CHECK(k.renew_at > now + (w->fault == RATE_LIMITED ? 49999 : 60));
    CHECK_ERR(acme_answer(w->acme, &a, SL("abc"), &token), ERR_NOT_FOUND); /* no proof stays behind */
    ar_free(&a);
}

static int spoil_tx(struct kv_tx *tx, void *arg)
{
    kv_tx_put(tx, *(struct slice *)arg,
              SL("\1"
                 "x"));
    return 0;
}

/* The present certificate, for both names, a third of whose time is left; the next is to have w's key. */
static void keep_one(struct world *w, struct buf *chain, struct buf *key)
{
    static const struct slice both[] = {SL_INIT("mail.one.test"), SL_INIT("mta-sts.one.test")};
    int64_t now = rt_wall_seconds();
    CHECK_OK(tls_self_signed(both, 2, 30, chain, key));
    struct acme_kept k = {.chain_pem = buf_slice(chain),
                          .key_pem = buf_slice(key),
                          .next_key_pem = buf_slice(&w->key),
                          .from = now - 60 * 86400,
                          .until = now + 30 * 86400,
                          .renew_at = now};
    CHECK_OK(acme_kept_put(w->kv, &k));
}

/* The renewal fails with these words, and what was there is there. */
static void renew_in_vain(struct world *w, int error, const char *says, const struct buf *chain)
{
    struct arena a = {0};
    struct acme_kept k;
    int64_t now = rt_wall_seconds();
    CHECK_ERR(acme_renew(w->acme), error);
    if (!strstr(err_text(error), says)) test_fail(__FILE__, __LINE__, "%s", err_text(error));
    CHECK_OK(acme_kept(w->kv, &a, SL(""), &k));
    CHECK(sl_eq(k.chain_pem, buf_slice(chain)) && w->changes == 0);
    CHECK(w->requests == 0 || k.renew_at > now + 60);
    ar_free(&a);
}

/* A disk that is full: from the start nothing is asked for; at the very end the next attempt is none the
 * sooner. */
static int run_full(void *arg)
{
    struct world *w = arg;
    struct buf chain = BUF_INIT, key = BUF_INIT;
    begin(w);
    keep_one(w, &chain, &key);
    kv_mem_inject(w->kv, KV_FAULT_FULL, 2);
    renew_in_vain(w, ERR_FULL, "no certificate is asked for, since it could not be kept", &chain);
    CHECK_INT(w->requests, 0);
    w->full = true;
    renew_in_vain(w, ERR_FULL, "", &chain);
    CHECK(w->requests > 0);
    w->full = false;
    CHECK_OK(acme_renew(w->acme));
    CHECK_INT(w->changes, 1);
    buf_free(&chain), buf_free(&key);
    end(w);
    return 0;
}

struct silence {
    struct world *w;
    struct buf chain, key;
    struct group g;
};

static void silence_begin(struct silence *x, struct world *w, bool advised)
{
    struct arena a = {0};
    struct acme_kept k;
    *x = (struct silence){.w = w};
    begin(w);
    keep_one(w, &x->chain, &x->key);
    CHECK_OK(acme_kept(w->kv, &a, SL(""), &k));
    k.advised = advised;
    CHECK_OK(acme_kept_put(w->kv, &k));
    ar_free(&a);
    w->silent = true;
    group_init(&x->g);
    CHECK_OK(group_go(&x->g, "acme", acme_keep, w->acme));
}

static void silence_end(struct silence *x)
{
    group_cancel(&x->g);
    (void)group_wait(&x->g);
    buf_free(&x->chain), buf_free(&x->key);
    end(x->w);
}

/* Nothing was asked for, and nothing has failed. */
static void still_waits(struct silence *x)
{
    struct arena a = {0};
    struct acme_kept k;
    CHECK_OK(acme_kept(x->w->kv, &a, SL(""), &k));
    CHECK(sl_eq(k.chain_pem, buf_slice(&x->chain)) && k.silent_since && !k.failures && !k.failed_at);
    CHECK_INT(x->w->orders, 0);
    ar_free(&a);
}

/* A DNS that is silent of one name takes it from no certificate for three days. */
static int run_silent(void *arg)
{
    struct world *w = arg;
    struct silence x;
    struct arena a = {0};
    struct acme_kept k;
    silence_begin(&x, w, false);
    CHECK_OK(fiber_sleep((3 * 86400 - 60) * RT_S));
    still_waits(&x);
    CHECK_OK(fiber_sleep(2 * ACME_LOOK_S * RT_S));
    CHECK_INT(w->changes, 1);
    CHECK_OK(acme_kept(w->kv, &a, SL(""), &k));
    CHECK(!k.silent_since && !k.failures);
    ar_free(&a);
    silence_end(&x);
    return 0;
}

static int told_waits;
static void count_waits(const struct log_line *l)
{
    told_waits += sl_find(l->said, SL("does not say now where")) != SL_NONE;
}

/* That is told once, whatever becomes of others meanwhile, */
static int run_silent_told(void *arg)
{
    struct world *w = arg;
    struct silence x;
    told_waits = 0;
    log_set_tap(count_waits, LOG_WARN);
    silence_begin(&x, w, false);
    w->others = true;
    CHECK_OK(group_go(&x.g, "acme", acme_keep_others, w->acme));
    CHECK_OK(fiber_sleep(20 * ACME_LOOK_S * RT_S));
    CHECK_INT(told_waits, 1);
    silence_end(&x);
    log_set_tap(NULL, LOG_ERROR);
    return 0;
}

/* Who asks by hand does not wait for it, */
static int run_silent_by_hand(void *arg)
{
    struct world *w = arg;
    struct silence x;
    silence_begin(&x, w, false);
    CHECK_OK(fiber_sleep(3600 * RT_S));
    still_waits(&x);
    CHECK_OK(acme_renew(w->acme));
    CHECK_INT(w->changes, 1);
    silence_end(&x);
    return 0;
}

/* nor does another name that comes, */
static int run_silent_new_name(void *arg)
{
    struct world *w = arg;
    struct silence x;
    silence_begin(&x, w, false);
    CHECK_OK(fiber_sleep(7200 * RT_S));
    still_waits(&x);
    w->new_name = true;
    CHECK_OK(fiber_sleep(2 * ACME_LOOK_S * RT_S));
    CHECK(w->orders > 0);
    silence_end(&x);
    return 0;
}

/* nor what the authority advised before its time. */
static int run_silent_advised(void *arg)
{
    struct world *w = arg;
    struct silence x;
    silence_begin(&x, w, true);
    CHECK_OK(fiber_sleep(60 * RT_S));
    CHECK_INT(w->changes, 1);
    silence_end(&x);
    return 0;
}

/* A program that dies at the same request each time, and is begun again at once, forty times in twenty
 * minutes: without a certificate, or with one that lacks a name. */
static int run_killed(void *arg)
{
    struct world *w = arg;
    struct group g;
    struct arena a = {0};
    int64_t now = rt_wall_seconds();
    begin(w);
    struct acme_kept k = {.chain_pem = buf_slice(&w->chain),
                          .key_pem = buf_slice(&w->key),
                          .next_key_pem = buf_slice(&w->key),
                          .from = now - 86400,
                          .until = now + 89 * 86400,
                          .renew_at = now + 60 * 86400};
    if (w->two_names) CHECK_OK(acme_kept_put(w->kv, &k));
    for (int i = 0; i < 40; i++) {
        w->step = 0;
        group_init(&g);
        CHECK_OK(group_go(&g, "acme", acme_keep, w->acme));
        CHECK_OK(fiber_sleep(30 * RT_S));
        group_cancel(&g);
        (void)group_wait(&g);
        CHECK_OK(acme_kept(w->kv, &a, SL(""), &k));
        if (w->step == w->dies_at && w->attempts == 1) CHECK(k.failures == 1 && !acme_has_failed(&k));
        if (w->step == w->dies_at && w->attempts == 2) CHECK(acme_has_failed(&k) && k.why.n);
    }
    ar_free(&a);
    if (w->attempts < 3 || w->attempts > 5) test_fail(__FILE__, __LINE__, "%d attempts", w->attempts);
    end(w);
    return 0;
}

static int put_later_tx(struct kv_tx *tx, void *key)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, 77);
    kv_tx_put_record(tx, *(struct slice *)key, &b);
    buf_free(&b);
    return 0;
}

static void is_of_later_version(struct world *w, struct slice key)
{
    struct arena a = {0};
    struct slice value = {0};
    CHECK_OK(kv_get(w->kv, ACME_OBJECT, key, &a, &value));
    CHECK(value.n && value.p[0] == 77);
    ar_free(&a);
}

/* What a later version wrote is neither written over nor deleted, and nothing is asked for. */
static int run_later_version(void *arg)
{
    struct world *w = arg;
    struct group g;
    struct slice account = SL("a"), own = SL("c"), wanted = SL("n/links.shop.example"),
                 old = SL("n/links.gone.example");
    begin(w);
    CHECK_OK(kv_transact(w->kv, ACME_OBJECT, put_later_tx, &account));
    CHECK_ERR(acme_renew(w->acme), ERR_VERSION);
    is_of_later_version(w, account);
    CHECK_OK(kv_transact(w->kv, ACME_OBJECT, put_later_tx, &own));
    CHECK_OK(kv_transact(w->kv, ACME_OBJECT, put_later_tx, &wanted));
    CHECK_OK(kv_transact(w->kv, ACME_OBJECT, put_later_tx, &old));
    CHECK_ERR(acme_renew(w->acme), ERR_VERSION);
    w->others = true;
    group_init(&g);
    CHECK_OK(group_go(&g, "acme", acme_keep, w->acme));
    CHECK_OK(group_go(&g, "acme", acme_keep_others, w->acme));
    CHECK_OK(fiber_sleep(86400 * RT_S));
    group_cancel(&g);
    (void)group_wait(&g);
    is_of_later_version(w, account);
    is_of_later_version(w, own);
    is_of_later_version(w, wanted);
    is_of_later_version(w, old);
    CHECK_INT(w->requests, 0);
    end(w);
    return 0;
}

/* What is certified while our clock is wrong by a year is not taken, or it would be renewed again and again.
 */
static int run_wrong_clock(void *arg)
{
    struct world *w = arg;
    struct buf chain = BUF_INIT, key = BUF_INIT;
    begin(w);
    if (w->age > 0) { /* the authority certifies what is over by our clock */
        buf_free(&w->chain), buf_free(&w->key);
        struct slice name = SL("mail.one.test");
        CHECK_OK(tls_self_signed(&name, 1, 1, &w->chain, &w->key));
        CHECK_OK(fiber_sleep(2 * 86400 * RT_S));
    }
    keep_one(w, &chain, &key);
    if (w->age < 0) sim_clock_skew(w->node, -INT64_C(365) * 86400 * 1000000);
    renew_in_vain(w, ERR_DENIED, w->age < 0 ? "is not valid before" : "ended on", &chain);
    CHECK(strstr(err_text(ERR_DENIED), "is the clock right?"));
    buf_free(&chain), buf_free(&key);
    end(w);
    return 0;
}

/* An authority that tells the time is not asked for anything while ours is another, also when its own
 * certificate is not believed for that reason. */
static int run_clock_first(void *arg)
{
    struct world *w = arg;
    struct buf chain = BUF_INIT, key = BUF_INIT;
    begin(w);
    keep_one(w, &chain, &key);
    renew_in_vain(w, ERR_DENIED, "at ca.test: is the clock right?", &chain);
    CHECK_INT(w->requests, w->mistrusted ? 2 : 1);
    w->said = 40; /* of these its certificate is not to blame */
    if (w->mistrusted) renew_in_vain(w, ERR_TLS, "not yet valid", &chain);
    w->mistrusted = false;
    CHECK_OK(acme_renew(w->acme));
    buf_free(&chain), buf_free(&key);
    end(w);
    return 0;
}

/* Account and certificate cannot be read: both are asked for anew. */
static int run_damaged(void *arg)
{
    struct world *w = arg;
    begin(w);
    CHECK_OK(kv_transact(w->kv, ACME_OBJECT, spoil_tx, &(struct slice)SL_INIT("a")));
    CHECK_OK(kv_transact(w->kv, ACME_OBJECT, spoil_tx, &(struct slice)SL_INIT("c")));
    CHECK_ERR(acme_renew(w->acme), ERR_DENIED);
    CHECK(strstr(err_text(ERR_DENIED), "is for another key")); /* it came as far as that */
    end(w);
    return 0;
}

static int run_fault(void *arg)
{
    struct world *w = arg;
    begin(w);
    one_fault(w);
    end(w);
    return 0;
}

/* Days with an authority that is gone: how often is it asked? */
static int run_days(void *arg)
{
    struct world *w = arg;
    struct group g;
    begin(w);
    group_init(&g);
    CHECK_OK(group_go(&g, "acme", acme_keep, w->acme));
    CHECK_OK(fiber_sleep(7 * 86400 * RT_S));
    group_cancel(&g);
    (void)group_wait(&g);
    end(w);
    return 0;
}

/* A certificate is kept, and ten minutes later the DNS shows one more name. */
static int run_name_comes(void *arg)
{
    struct world *w = arg;
    struct group g;
    int64_t now = rt_wall_seconds();
    begin(w);
    struct acme_kept k = {.chain_pem = buf_slice(&w->chain),
                          .key_pem = buf_slice(&w->key),
                          .next_key_pem = buf_slice(&w->key),
                          .from = now - w->age,
                          .until = now + 90 * 86400,
                          .renew_at = now + 60 * 86400};
    CHECK_OK(acme_kept_put(w->kv, &k));
    group_init(&g);
    CHECK_OK(group_go(&g, "acme", acme_keep, w->acme));
    CHECK_OK(fiber_sleep(600 * RT_S));
    CHECK_INT(w->requests, 0);
    w->two_names = true;
    CHECK_OK(fiber_sleep(90 * RT_S));
    CHECK_INT(w->requests > 0, w->age < ACME_YOUNG_S);
    CHECK_OK(fiber_sleep(ACME_LOOK_S * RT_S));
    CHECK(w->requests > 0);
    group_cancel(&g);
    (void)group_wait(&g);
    end(w);
    return 0;
}

static int count_failed(void *n, const struct acme_kept *k)
{
    *(int *)n += !k->chain_pem.n && k->failures > 0;
    return 0;
}

/* The authority certifies nobody; the node has a certificate, and two customers' hosts want one; what was
 * kept of one of them is damaged. */
static int run_others(void *arg)
{
    struct world *w = arg;
    struct group g;
    struct arena a = {0};
    struct acme_kept node;
    int64_t now = rt_wall_seconds();
    int failed = 0, left = 0;
    begin(w);
    struct acme_kept k = {.chain_pem = buf_slice(&w->chain),
                          .key_pem = buf_slice(&w->key),
                          .next_key_pem = buf_slice(&w->key),
                          .from = now,
                          .until = now + 90 * 86400,
                          .renew_at = now + 60 * 86400};
    CHECK_OK(acme_kept_put(w->kv, &k));
    CHECK_OK(kv_transact(w->kv, ACME_OBJECT, spoil_tx, &(struct slice)SL_INIT("n/links.shop.example")));
    w->others = true;
    group_init(&g);
    CHECK_OK(group_go(&g, "acme", acme_keep, w->acme));
    CHECK_OK(group_go(&g, "acme", acme_keep_others, w->acme));
    CHECK_OK(fiber_sleep(86400 * RT_S));
    CHECK_OK(acme_each(w->kv, count_failed, &failed));
    CHECK_OK(acme_kept(w->kv, &a, SL(""), &node));
    CHECK(failed == 2 && node.chain_pem.n && !node.failures);
    w->others = false; /* nobody wants them any more */
    CHECK_OK(fiber_sleep(7200 * RT_S));
    CHECK_OK(acme_each(w->kv, count_failed, &left));
    CHECK_INT(left, 0);
    group_cancel(&g);
    (void)group_wait(&g);
    end(w);
    ar_free(&a);
    return 0;
}

/* Returns how many requests there were. */
static int play_as(const struct world *as, int (*fn)(void *))
{
    struct world *w = xcalloc(1, sizeof *w);
    struct sim *s = sim_new(7);
    *w = *as;
    w->node = sim_node(s, "one.test", "192.0.2.9");
    test_run_is("fault %d, request %d", (int)w->fault, w->dies_at);
    sim_node_start(w->node, fn, w);
    sim_run(s, 30 * 86400 * RT_S);
    CHECK(!sim_node_running(w->node));
    sim_free(&s);
    int requests = w->requests;
    free(w);
    test_run_is("%s", "");
    return requests;
}

static int play_aged(enum fault fault, int (*fn)(void *), int64_t age)
{
    return play_as(&(struct world){.fault = fault, .age = age}, fn);
}

static int play(enum fault fault, int (*fn)(void *)) { return play_aged(fault, fn, 0); }

TEST(acme_whatever_the_authority_does)
{
    for (int f = NO_FAULT + 1; f < FAULTS; f++) CHECK(play((enum fault)f, run_fault) < 2000);
}

/* After 2, 4, 8, ... minutes, at last once a day: 18 to 25 times in a week, one request each. */
TEST(acme_asks_an_authority_that_is_gone_later_and_later)
{
    int requests = play(GONE, run_days);
    if (requests < 12 || requests > 40) test_fail(__FILE__, __LINE__, "%d requests in a week", requests);
}

TEST(acme_names_of_others_keep_nothing_from_the_nodes)
{
    int requests = play(NOT_PROVED, run_others);
    if (requests < 20 || requests > 600) test_fail(__FILE__, __LINE__, "%d requests in a day", requests);
}

TEST(acme_a_disk_that_is_full) { CHECK(play(NO_FAULT, run_full) < 100); }
TEST(acme_a_dns_that_is_half_silent_is_waited_for_three_days) { (void)play(NO_FAULT, run_silent); }
TEST(acme_one_silent_name_keeps_nothing_from_the_others)
{
    (void)play(NOT_PROVED, run_silent_told);
    (void)play(NO_FAULT, run_silent_by_hand);
    (void)play(NO_FAULT, run_silent_new_name);
    (void)play(NO_FAULT, run_silent_advised);
}
TEST(acme_what_a_later_version_wrote_stays) { (void)play(NO_FAULT, run_later_version); }
TEST(acme_a_clock_that_is_wrong_by_a_year)
{
    (void)play_aged(NO_FAULT, run_wrong_clock, 1);
    (void)play_aged(NO_FAULT, run_wrong_clock, -1);
    for (int i = 0; i < 4; i++)
        (void)play_as(&(struct world){.said = (i & 1 ? 1 : -1) * 365 * 86400, .mistrusted = i & 2},
                      run_clock_first);
}
TEST(acme_damaged_rows_are_asked_for_anew) { (void)play(OTHER_KEY, run_damaged); }

TEST(acme_hears_soon_of_names_that_come_on_the_first_day)
{
    (void)play_aged(OTHER_KEY, run_name_comes, 10);
    (void)play_aged(OTHER_KEY, run_name_comes, 3 * 86400);
}

TEST(acme_a_program_that_is_killed_again_and_again_asks_later_and_later)
{
    enum { REQUESTS = 9 }; /* of an order, with the account's */
    for (int at = 1; at <= REQUESTS; at++) {
        (void)play_as(&(struct world){.dies_at = at}, run_killed);
        (void)play_as(&(struct world){.dies_at = at, .two_names = true}, run_killed);
    }
}
