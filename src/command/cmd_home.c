/* cmd_home.c - init and config check: commands about the folder that a node lives in. */
#include "cmd.h"
#include "core/home.h"
#include "rt/tls.h"

static int take_listen(json_t *list, struct config_start *c)
{
    json_t *one;
    size_t i;
    json_array_foreach(list, i, one)
    {
        if (c->nlisten == LISTEN_MAX)
            return err_set(ERR_USAGE, "--listen can stand %d times at most", LISTEN_MAX);
        if (!ip_parse(sl_cstr(json_string_value(one)), &c->listen[c->nlisten++]))
            return err_set(ERR_USAGE, "--listen %s is not an IP address", json_string_value(one));
    }
    return 0;
}

int run_init(struct request *r)
{
    struct home_start h = {
        .domain = ar_lower(r->a, arg_slice(r->args, "domain")),
        .conf = {.hostname = ar_lower(r->a, arg_slice(r->args, "hostname")),
                 .port_offset = (uint16_t)arg_number(r->args, "port-offset"),
                 .resolver = arg_slice(r->args, "resolver"),
                 .zone = arg_slice(r->args, "zone")},
    };
    if (!h.conf.hostname.n) h.conf.hostname = ar_cat(r->a, SL("mail."), h.domain);
    int e = take_listen(json_object_get(r->args, "listen"), &h.conf);
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

/* What `serve` would do with them. */
static int try_certificate(struct slice certificate, struct slice key)
{
    struct tls_ctx *t;
    int e = tls_server_new(&t, NULL);
    if (e) return e;
    e = tls_server_set_cert(t, certificate, key);
    tls_free(&t);
    return e ? err_prefix(e, "tls_certificate and tls_key of tram.conf cannot be used") : 0;
}

static int restore_on_thread(void *from) { return home_restore(from); }

int run_restore(struct request *r)
{
    int e = offload(restore_on_thread, (void *)arg_text(r->args, "from"));
    if (e) return e;
    reply_text(r->reply, "home", sl_cstr(r->home));
    return 0;
}

void print_restore(json_t *args, json_t *reply, struct buf *out)
{
    const char *home = arg_text(reply, "home");
    buf_printf(out,
               "%s is restored from %s.\nNext:\n"
               "  tram -C %s verify       checks every record and every body\n"
               "  tram -C %s serve\n",
               home, arg_text(args, "from"), home, home);
}

int run_config_check(struct request *r)
{
    struct config c;
    struct slice certificate, key;
    int e = config_read(r->a, "tram.conf", &c);
    if (!e) e = home_certificate(&c, r->a, &certificate, &key);
    if (!e) e = try_certificate(certificate, key);
    /* What is wrong in a file is the answer, not wrong use of the command. */
    return e == ERR_SYNTAX ? err_set(ERR_STATE, "%s", ar_cstr(r->a, sl_cstr(err_text(e)))) : e;
}

void print_config_check(json_t *args, json_t *reply, struct buf *out)
{
    (void)args, (void)reply;
    buf_str(out, "tram.conf is right.\n");
}
