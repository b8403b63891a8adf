/* cmd_setup.c - from nothing to a node: asks what it needs, makes the home and the first account, says what
 * to publish, waits for the DNS to show it, and examines the rest. May be begun again. */
#include <stdio.h>
#include <unistd.h>

#include "cmd.h"
#include "core/home.h"
#include "directory/directory.h"
#include "dns_check.h"
#include "fetch/fetch.h"
#include "rt/addresses.h"
#include "rt/conn.h"
#include "rt/file.h"
#include "store/store.h"

enum { LINE_LONGEST = 1024, LOOK_AGAIN_S = 15, WAIT_AT_TERMINAL = 120 /* minutes */ };

static bool at_terminal(void) { return isatty(STDIN_FILENO) && isatty(STDERR_FILENO); }

/* What can be no answer is said at once, before anything is made; the answer may be written otherwise. */
typedef int fits(struct request *r, struct slice *answer);

static int domain_fits(struct request *r, struct slice *answer)
{
    int e = domain_name(r->a, *answer, answer);
    if (e || dns_is_fqdn(*answer)) return e;
    return err_set(ERR_USAGE, "%.*s cannot be a mail domain: it needs the form name.tld", SLF(*answer));
}

static int host_fits(struct request *r, struct slice *answer)
{
    int e = dns_to_ascii(r->a, *answer, answer);
    if (e || dns_is_fqdn(*answer)) return e;
    return err_set(ERR_USAGE, "%.*s is no full host name such as mail.example.org", SLF(*answer));
}

static int account_fits(struct request *r, struct slice *answer)
{
    struct slice local, domain;
    return address_split(r->a, ar_printf(r->a, "%.*s@%s", SLF(*answer), arg_text(r->args, "domain")), &local,
                         &domain);
}

static int say_again(int e)
{
    char why[ERR_TEXT_MAX];
    snprintf(why, sizeof why, "%s", err_text(e));
    return err_set(ERR_USAGE, "%s", why);
}

static int read_answer(struct request *r, const char *question, struct slice fallback, struct slice *out)
{
    char line[LINE_LONGEST];
    fprintf(stderr, "%s%s%.*s%s: ", question, fallback.n ? " [" : "", SLF(fallback), fallback.n ? "]" : "");
    if (!fgets(line, sizeof line, stdin)) return err_set(ERR_CANCELED, "no answer");
    struct slice said = sl_trim(sl_cstr(line));
    *out = said.n ? ar_dup(r->a, said) : fallback;
    return 0;
}

/* An answer of who sits at the terminal, who is asked again when it is none, or what the option said.
 * BLOCKS. */
static int ask(struct request *r, const char *name, const char *question, struct slice fallback, fits *fit)
{
    struct slice answer = arg_slice(r->args, name);
    bool asks = !answer.n && at_terminal();
    for (;;) {
        int e = asks ? read_answer(r, question, fallback, &answer) : 0;
        if (e) return e;
        if (!answer.n) answer = fallback;
        if (!answer.n) e = err_set(ERR_USAGE, "--%s is needed: %s", name, question);
        if (!e) e = fit(r, &answer);
        if (!e) break;
        if (!asks) return say_again(e);
        fprintf(stderr, "%s\n", err_text(e));
    }
    reply_text(r->args, name, answer);
    return 0;
}

/* Who sits at the terminal publishes what is told, and waits for it. */
static int ask_to_try(struct request *r)
{
    struct slice answer;
    if (!at_terminal() || arg_flag(r->args, "try") || arg_number(r->args, "wait") ||
        arg_flag(r->args, "json"))
        return 0;
    int e = read_answer(r, "Wait for the DNS, get a certificate and send a letter to itself then? yes or no",
                        SL("yes"), &answer);
    if (e || !sl_starts(answer, SL("y"))) return e;
    json_object_set_new(r->args, "try", json_true());
    reply_int(r->args, "wait", WAIT_AT_TERMINAL);
    return 0;
}

static int authority_fits(struct slice url)
{
    int e = fetch_url_fits(url, false);
    return e ? say_again(e) : 0;
}

/* Without a terminal none is asked for unless an option names it: it wants its terms agreed to. */
static int ask_authority(struct request *r)
{
    struct slice answer, said = arg_slice(r->args, "acme");
    if (said.n) return authority_fits(said);
    if (!at_terminal()) return 0;
    for (;;) {
        int e = read_answer(r, "Who gives certificates, by ACME; its terms are agreed to (none: nobody)",
                            SL("https://acme-v02.api.letsencrypt.org/directory"), &answer);
        if (e || sl_eqi(answer, SL("none"))) return e;
        if (authority_fits(answer) == 0) break;
        fprintf(stderr, "%s\n", err_text(ERR_USAGE));
    }
    reply_text(r->args, "acme", answer);
    return 0;
}

static int ask_all(struct request *r)
{
    int e = ask(r, "domain", "Mail domain, such as example.org", SL(""), domain_fits);
    if (!e)
        e = ask(r, "hostname", "Full name of this host",
                ar_cat(r->a, SL("mail."), arg_slice(r->args, "domain")), host_fits);
    if (!e) e = ask(r, "account", "First account: the part before the @", SL("postmaster"), account_fits);
    if (!e) e = ask_authority(r);
    if (!e) e = ask_to_try(r);
    return e ? e : read_password("Its password", r->args);
}

/* Addresses of this machine that stay and that the world routes to it, one of each network of IPv6; behind
 * NAT there is none. */
static void put_public(struct buf *b)
{
    struct ip ip[2 * LISTEN_MAX];
    char text[IP_TEXT_MAX];
    size_t n = rt_lasting_addresses(ip, COUNT_OF(ip)), put = 0;
    for (size_t i = 0; i < n && put < LISTEN_MAX; i++) {
        bool there = ip_is_private(&ip[i]);
        for (size_t k = 0; k < i; k++) there |= ip_in(&ip[i], &ip[k], ip[i].family == 6 ? 64 : 32);
        if (there) continue;
        buf_printf(b, "%s\"%s\"", put++ ? ", " : "\npublic_addresses = {", ip_format(&ip[i], text));
    }
    if (put) buf_str(b, "}\n");
}

static int make_home(struct request *r)
{
    if (path_exists("tram.conf")) return 0; /* begun again */
    struct buf b = BUF_INIT;
    int e = run_init(r);
    if (!e) e = path_read("tram.conf", 1 << 20, &b);
    if (!json_array_size(json_object_get(r->args, "listen"))) put_public(&b);
    if (*arg_text(r->args, "acme")) buf_printf(&b, "\nacme = \"%s\"\n", arg_text(r->args, "acme"));
    if (!e) e = path_write("tram.conf", buf_slice(&b), 0600);
    buf_free(&b);
    return e;
}

static int make_account(struct request *r)
{
    struct slice address =
        ar_printf(r->a, "%s@%s", arg_text(r->args, "account"), arg_text(r->args, "domain"));
    int e = account_add(r->core->store->directory, address, arg_slice(r->args, "password"));
    reply_text(r->reply, "account", address);
    return e == ERR_EXISTS ? 0 : e;
}

/* What the DNS is silent of is not published, as far as anybody can tell; that tram.conf names no address for
 * it to show is nothing that waiting would change. */
static bool is_shown(const struct request *r, const struct dns_checked *f)
{
    struct ip own[LISTEN_MAX];
    bool nothing_asked = sl_eq(f->what, SL("address")) && !config_public(r->core->conf, own);
    return f->finding != FINDING_MISSING && (f->finding != FINDING_UNKNOWN || nothing_asked);
}

/* Does the DNS show all that is needed? */
static int is_published(struct request *r, bool *is)
{
    struct dns_checked *v;
    size_t n;
    struct dns *dns = NULL; /* not what was asked the last time */
    int e = core_fresh_dns(r->core, r->a, &dns);
    if (!e)
        e = dns_check_domain(r->core, dns, r->a, arg_slice(r->args, "domain"),
                             served_certificate(r->core, r->a), &v, &n);
    dns_close(&dns);
    *is = !e;
    for (size_t i = 0; !e && i < n; i++) *is = *is && is_shown(r, &v[i]);
    return e;
}

static int wait_for_dns(struct request *r)
{
    int64_t end = rt_now() + arg_number(r->args, "wait") * 60 * RT_S;
    bool is = false;
    int e = is_published(r, &is);
    while (!e && !is && rt_now() < end) {
        e = fiber_sleep(LOOK_AGAIN_S * RT_S);
        if (!e) e = is_published(r, &is);
    }
    json_object_set_new(r->reply, "published", json_boolean(is));
    return e;
}

/* What is to be published is told before anybody waits for it. */
static void tell_records(struct request *r)
{
    struct buf out = BUF_INIT;
    if (arg_flag(r->args, "json")) return;
    print_dns_records(r->args, r->reply, &out);
    buf_printf(
        &out,
        "\nPublish these lines in the DNS of %s. They are looked for every %d seconds, for %lld minutes "
        "at most (Ctrl-C ends that; the same `tram setup` goes on).\n\n",
        arg_text(r->args, "domain"), LOOK_AGAIN_S, (long long)arg_number(r->args, "wait"));
    fwrite(out.p, 1, out.n, stdout);
    fflush(stdout);
    buf_free(&out);
}

static int in_the_home(struct request *r)
{
    int e = make_account(r);
    if (!e) e = run_dns_records(r);
    if (!e && arg_number(r->args, "wait")) {
        tell_records(r);
        e = wait_for_dns(r);
    }
    if (!e) e = run_doctor(r);
    return e == NO ? 0 : e; /* the node does not run yet, and the DNS may show nothing */
}

int run_setup(struct request *r)
{
    struct config conf;
    struct core *core = xcalloc(1, sizeof *core);
    int e = ask_all(r);
    if (!e) e = make_home(r);
    if (!e) e = config_read(r->a, "tram.conf", &conf);
    if (!e) e = core_open(core, &conf);
    if (!e) {
        r->core = core;
        e = in_the_home(r);
        r->core = NULL;
        core_close(core);
    }
    free(core);
    if (e) return e;
    reply_text(r->reply, "home", sl_cstr(r->home));
    return 0;
}

/* Nothing is tried that the world cannot see: an authority that is asked in vain asks for patience the next
 * time. */
struct command_next setup_next(json_t *args, json_t *reply)
{
    if (!arg_flag(args, "try") || json_is_false(json_object_get(reply, "published")))
        return (struct command_next){0};
    return (struct command_next){"try", arg_text(reply, "account")};
}

void print_setup(json_t *args, json_t *reply, struct buf *out)
{
    const char *home = arg_text(reply, "home"), *domain = arg_text(args, "domain");
    const json_t *published = json_object_get(reply, "published");
    bool tries = setup_next(args, reply).name;
    if (!published) print_dns_records(args, reply, out); /* else they were told */
    if (!published && !tries) buf_str(out, "\n");
    if (!tries) print_doctor(args, reply, out);
    if (published)
        buf_printf(out, "\n%s\n",
                   json_is_true(published)
                       ? "The DNS shows all of it."
                       : "The DNS does not show all of it yet: `tram doctor` looks again.");
    buf_printf(out, "\nThe home %s is made, with the account %s.\n", home, arg_text(reply, "account"));
    if (tries) {
        buf_str(out, "It is tried now: a server runs until that is over.\n\n");
        return;
    }
    buf_printf(
        out,
        "Next:\n"
        "  publish the lines above in the DNS of %s, and the reverse name of the address\n"
        "  tram -C %s serve        (or systemctl enable --now tram)\n"
        "  tram -C %s try %s       gets the certificate, sends a letter to itself, says what is wrong\n",
        domain, home, home, arg_text(reply, "account"));
}
