/* cmd_home.c - init and config check: commands about the folder that a node lives in. */
#include "cmd.h"
#include "core/config_judge.h"
#include "core/home.h"

static int take_listen(json_t *list, struct config_start *c)
{
    json_t *one;
    size_t i;
    json_array_foreach(list, i, one) {
        if (c->nlisten == LISTEN_MAX)
            return err_set(ERR_USAGE, "--listen can stand %d times at most", LISTEN_MAX);
        if (!ip_parse(sl_cstr(json_string_value(one)), &c->listen[c->nlisten++]))
            return err_set(ERR_USAGE, "--listen %s is not an IP address", json_string_value(one));
    }
    return 0;
}

int run_init(struct request *r)
{
    struct slice domain, hostname = arg_slice(r->args, "hostname");
    int e = dns_to_ascii(r->a, arg_slice(r->args, "domain"), &domain);
    if (!e && hostname.n) e = dns_to_ascii(r->a, hostname, &hostname);
    if (e) return err_set(ERR_USAGE, "%s", ar_cstr(r->a, sl_cstr(err_text(e))));
    struct home_start h = {
        .domain = domain,
        .conf = {.hostname = hostname,
                 .port_offset = (uint16_t)arg_number(r->args, "port-offset"),
                 .resolver = arg_slice(r->args, "resolver"),
                 .zone = arg_slice(r->args, "zone")},
    };
    if (!h.conf.hostname.n) h.conf.hostname = ar_cat(r->a, SL("mail."), h.domain);
    e = take_listen(json_object_get(r->args, "listen"), &h.conf);
    if (!e) e = home_init(&h);
    if (e) return e;
    reply_text(r->reply, "home", sl_cstr(r->home));
    reply_text(r->reply, "hostname", h.conf.hostname);
    reply_text(r->reply, "domain", h.domain);
    return 0;
}

void print_init(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    const char *home = arg_text(reply, "home"), *domain = arg_text(reply, "domain");
    buf_printf(out,
               "%s is the home of %s now, with the domain %s.\nNext:\n"
               "  tram -C %s account add NAME@%s     (password on standard input)\n"
               "  tram -C %s dns records %s          what to publish in the DNS\n"
               "  tram -C %s serve\n",
               home, arg_text(reply, "hostname"), domain, home, domain, home, domain, home);
}

struct restoring {
    const char *from;
    struct buf aside;
};

static int restore_on_thread(void *arg)
{
    struct restoring *x = arg;
    return home_restore(x->from, &x->aside);
}

int run_restore(struct request *r)
{
    struct restoring x = {.from = arg_text(r->args, "from")};
    int e = offload_on(POOL_CARE, restore_on_thread, &x);
    reply_text(r->reply, "home", sl_cstr(r->home));
    if (x.aside.n) reply_text(r->reply, "aside", buf_slice(&x.aside));
    buf_free(&x.aside);
    return e;
}

void print_restore(json_t *args, json_t *reply, struct buf *out)
{
    const char *home = arg_text(reply, "home"), *aside = arg_text(reply, "aside");
    buf_printf(out, "%s is restored from %s.\n", home, arg_text(args, "from"));
    if (*aside)
        buf_printf(
            out,
            "What stood there, and may be of the attempt that was broken off or somebody's own, is kept: "
            "%s\n",
            aside);
    buf_printf(out,
               "Next:\n"
               "  tram -C %s verify       checks every record and every body\n"
               "  tram -C %s serve\n",
               home, home);
}

static int check_certificate(struct request *r, const struct config *c)
{
    static const char *const words[] = {"fine", "warning", "wrong", "useless"};
    struct cert_finding *f;
    enum cert_grade worst;
    size_t n;
    int e = home_judge_certificate(c, r->a, &f, &n, &worst);
    json_t *list = json_array();
    json_object_set_new(r->reply, "certificate", list);
    struct slice wrong = {0};
    for (size_t i = 0; !e && i < n; i++) {
        json_t *o = json_object();
        reply_text(o, "grade", sl_cstr(words[f[i].grade]));
        reply_text(o, "sentence", f[i].sentence);
        json_array_append_new(list, o);
        if (f[i].grade >= CERT_WRONG)
            wrong = ar_printf(r->a, "%.*s%s%.*s", SLF(wrong), wrong.n ? "; " : "", SLF(f[i].sentence));
    }
    return e || worst < CERT_WRONG ? e : err_set(ERR_STATE, "%.*s", SLF(wrong));
}

/* What lines say together. */
static int check_settings(struct request *r, const struct config *c)
{
    struct config_finding *f = ar_array(r->a, struct config_finding, CONFIG_FINDINGS_MAX);
    size_t n = config_judge(c, r->a, f);
    json_t *list = json_array();
    json_object_set_new(r->reply, "settings", list);
    struct slice wrong = {0};
    for (size_t i = 0; i < n; i++) {
        json_t *o = json_object();
        reply_text(o, "grade", sl_cstr(f[i].wrong ? "wrong" : "warning"));
        reply_text(o, "sentence", f[i].sentence);
        json_array_append_new(list, o);
        if (f[i].wrong)
            wrong = ar_printf(r->a, "%.*s%s%.*s", SLF(wrong), wrong.n ? "; " : "", SLF(f[i].sentence));
    }
    return wrong.n ? err_set(ERR_STATE, "tram.conf: %.*s", SLF(wrong)) : 0;
}

int run_config_check(struct request *r)
{
    struct config c;
    int e = config_read(r->a, "tram.conf", &c);
    if (!e) e = home_files_fit(&c, r->a);
    if (!e) e = check_settings(r, &c);
    if (!e) e = check_certificate(r, &c);
    /* What is wrong in a file is the answer, not wrong use of the command. */
    return e == ERR_SYNTAX || e == ERR_TOO_LONG || e == ERR_NOT_FOUND
               ? err_set(ERR_STATE, "%s", ar_cstr(r->a, sl_cstr(err_text(e))))
               : e;
}

void print_config_check(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    size_t i;
    json_t *o;
    buf_str(out, "tram.conf is right.\n");
    json_array_foreach(json_object_get(reply, "settings"), i, o)
        buf_printf(out, "warning: %s\n", arg_text(o, "sentence"));
    json_array_foreach(json_object_get(reply, "certificate"), i, o)
        buf_printf(out, "%s%s\n", strcmp(arg_text(o, "grade"), "fine") ? "warning: " : "certificate: ",
                   arg_text(o, "sentence"));
}
