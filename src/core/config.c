/* config.c - tram.conf through libconfuse, and every value checked with its line. */
#include "config.h"

#include <confuse.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "dns/dns.h"
#include "rt/file.h"

enum { CONFIG_MAX = 1 << 20 };

void config_defaults(struct config *c)
{
    *c = (struct config){
        .tls_certificate = SL("tls/certificate.pem"),
        .tls_key = SL("tls/key.pem"),
        .size_max = 50 << 20,
        .queue_lifetime_s = 5 * 86400,
        .queue_retry_first_s = 60,
        .queue_retry_most_s = 4 * 3600,
        .queue_delay_warning_s = 4 * 3600,
        .rcpts_max = 1000,
        .connections_max = 20000,
        .connections_per_address = 2000,
        .trace_days = 30,
        .preflight = PREFLIGHT_WARN,
        .dmarc_reports = true,
    };
    c->listen[0] = (struct ip){.family = 4};
    c->listen[1] = (struct ip){.family = 6};
    c->nlisten = 2;
}

/* libconfuse reports through a callback without an argument: the first message is kept here
 * for the caller on the same thread. */
static _Thread_local char first_fault[ERR_TEXT_MAX];

static void keep_fault(cfg_t *cfg, const char *fmt, va_list ap)
{
    if (first_fault[0]) return;
    int n = snprintf(first_fault, sizeof first_fault, "tram.conf:%d: ", cfg ? cfg->line : 0);
    if (n > 0 && (size_t)n < sizeof first_fault)
        vsnprintf(first_fault + n, sizeof first_fault - (size_t)n, fmt, ap);
}

/* ---- checks of single values; each names the remedy ---- */

static const char *last_string(cfg_opt_t *opt) { return cfg_opt_getnstr(opt, cfg_opt_size(opt) - 1); }

static int check_hostname(cfg_t *cfg, cfg_opt_t *opt)
{
    const char *v = last_string(opt);
    if (v && dns_is_fqdn(sl_cstr(v))) return 0;
    cfg_error(cfg, "hostname \"%s\" must be a full host name such as mail.example.org", v ? v : "");
    return -1;
}

static int check_listen(cfg_t *cfg, cfg_opt_t *opt)
{
    struct ip ip;
    for (unsigned i = 0; i < cfg_opt_size(opt); i++) {
        const char *v = cfg_opt_getnstr(opt, i);
        if (i >= LISTEN_MAX || !ip_parse(sl_cstr(v), &ip)) {
            cfg_error(
                cfg,
                "listen \"%s\" must be an IP address such as 192.0.2.1 or 2001:db8::1 (at most %d of them)",
                v, LISTEN_MAX);
            return -1;
        }
    }
    return 0;
}

static int check_resolver(cfg_t *cfg, cfg_opt_t *opt)
{
    struct endpoint e;
    const char *v = last_string(opt);
    if (!v || !*v || endpoint_parse(sl_cstr(v), &e)) return 0;
    cfg_error(cfg, "resolver \"%s\" must be an address and a port such as 127.0.0.1:53", v);
    return -1;
}

static int check_size(cfg_t *cfg, cfg_opt_t *opt)
{
    uint64_t n;
    const char *v = last_string(opt);
    if (v && num_size(sl_cstr(v), &n) && n >= 65536) return 0;
    cfg_error(cfg, "%s \"%s\" must be a size of at least 64k, such as 50M", opt->name, v ? v : "");
    return -1;
}

static int check_duration(cfg_t *cfg, cfg_opt_t *opt)
{
    int64_t s;
    const char *v = last_string(opt);
    if (v && num_duration(sl_cstr(v), &s) && s > 0) return 0;
    cfg_error(cfg, "%s \"%s\" must be a time such as 90s, 15m, 4h or 5d", opt->name, v ? v : "");
    return -1;
}

static int check_offset(cfg_t *cfg, cfg_opt_t *opt)
{
    long v = cfg_opt_getnint(opt, 0);
    if (v >= 0 && v <= PORT_OFFSET_MAX) return 0;
    cfg_error(cfg, "port_offset %ld must lie between 0 and %d", v, PORT_OFFSET_MAX);
    return -1;
}

static int check_positive(cfg_t *cfg, cfg_opt_t *opt)
{
    long v = cfg_opt_getnint(opt, 0);
    if (v >= 1 && v <= 1000000) return 0;
    cfg_error(cfg, "%s %ld must lie between 1 and 1000000", opt->name, v);
    return -1;
}

static const char *const preflight_words[] = {"warn", "hold", "refuse", "off"};

static int preflight_of(const char *v)
{
    for (size_t i = 0; v && i < COUNT_OF(preflight_words); i++)
        if (strcmp(v, preflight_words[i]) == 0) return (int)i;
    return -1;
}

static int check_preflight(cfg_t *cfg, cfg_opt_t *opt)
{
    const char *v = last_string(opt);
    if (preflight_of(v) >= 0) return 0;
    cfg_error(cfg, "preflight \"%s\" must be warn, hold, refuse or off", v ? v : "");
    return -1;
}

static struct slice text_of(struct arena *a, cfg_t *cfg, const char *name)
{
    const char *v = cfg_getstr(cfg, name);
    return v ? ar_dup(a, sl_cstr(v)) : (struct slice){0};
}

static int64_t seconds_of(cfg_t *cfg, const char *name)
{
    int64_t s = 0;
    if (!num_duration(sl_cstr(cfg_getstr(cfg, name)), &s)) return 0;
    return s;
}

static void take_values(struct arena *a, cfg_t *cfg, struct config *c)
{
    c->hostname = ar_lower(a, text_of(a, cfg, "hostname"));
    if (cfg_size(cfg, "listen")) c->nlisten = 0;
    for (unsigned i = 0; i < cfg_size(cfg, "listen"); i++)
        if (ip_parse(sl_cstr(cfg_getnstr(cfg, "listen", i)), &c->listen[c->nlisten])) c->nlisten++;
    c->port_offset = (uint16_t)cfg_getint(cfg, "port_offset");
    struct slice resolver = text_of(a, cfg, "resolver");
    c->has_resolver = resolver.n && endpoint_parse(resolver, &c->resolver);
    c->zone = text_of(a, cfg, "zone");
    c->tls_certificate = text_of(a, cfg, "tls_certificate");
    c->tls_key = text_of(a, cfg, "tls_key");
    if (!num_size(sl_cstr(cfg_getstr(cfg, "size_max")), &c->size_max)) c->size_max = 50 << 20;
    c->queue_lifetime_s = seconds_of(cfg, "queue_lifetime");
    c->queue_retry_first_s = seconds_of(cfg, "queue_retry_first");
    c->queue_retry_most_s = seconds_of(cfg, "queue_retry_most");
    c->queue_delay_warning_s = seconds_of(cfg, "queue_delay_warning");
    c->rcpts_max = (uint32_t)cfg_getint(cfg, "recipients_max");
    c->connections_max = (uint32_t)cfg_getint(cfg, "connections_max");
    c->connections_per_address = (uint32_t)cfg_getint(cfg, "connections_per_address");
    c->trace_days = (int)(seconds_of(cfg, "trace_keep") / 86400);
    if (c->trace_days < 1) c->trace_days = 1;
    c->ntrusted_sealers = cfg_size(cfg, "trusted_sealers");
    c->trusted_sealers = ar_array(a, struct slice, c->ntrusted_sealers);
    for (unsigned i = 0; i < c->ntrusted_sealers; i++)
        c->trusted_sealers[i] = ar_lower(a, sl_cstr(cfg_getnstr(cfg, "trusted_sealers", i)));
    c->preflight = (enum preflight_policy)preflight_of(cfg_getstr(cfg, "preflight"));
    c->dmarc_reports = cfg_getbool(cfg, "dmarc_reports");
    c->arc_seal = cfg_getbool(cfg, "arc_seal");
}

/* libconfuse counts a line that ends in a comment three times, so comments are blanked first. */
static void blank_comments(char *p)
{
    char quote = 0;
    for (; *p; p++) {
        if (quote) {
            if (*p == '\\' && p[1]) p++;
            else if (*p == quote || *p == '\n') quote = 0;
        } else if (*p == '"' || *p == '\'') {
            quote = *p;
        } else if (*p == '#' || (p[0] == '/' && p[1] == '/')) {
            for (; *p && *p != '\n'; p++) *p = ' ';
            if (!*p) return;
        }
    }
}

static int read_text(struct arena *a, const char *path, char **text)
{
    struct buf b = BUF_INIT;
    int e = path_read(path, CONFIG_MAX, &b);
    if (e == ERR_NOT_FOUND)
        e = err_set(e, "cannot read %s: make a home with `tram -C DIR init --domain D`, or name it with -C",
                    path);
    if (!e && sl_chr(buf_slice(&b), 0) != SL_NONE)
        e = err_set(ERR_SYNTAX, "%s holds a NUL byte: it is no text", path);
    if (!e) {
        *text = ar_cstr(a, buf_slice(&b));
        blank_comments(*text);
    }
    buf_free(&b);
    return e;
}

int config_read(struct arena *a, const char *path, struct config *out)
{
    cfg_opt_t opts[] = {
        CFG_STR("hostname", "", CFGF_NONE),
        CFG_STR_LIST("listen", "{}", CFGF_NONE),
        CFG_INT("port_offset", 0, CFGF_NONE),
        CFG_STR("resolver", "", CFGF_NONE),
        CFG_STR("zone", "", CFGF_NONE),
        CFG_STR("tls_certificate", "tls/certificate.pem", CFGF_NONE),
        CFG_STR("tls_key", "tls/key.pem", CFGF_NONE),
        CFG_STR("size_max", "50M", CFGF_NONE),
        CFG_STR("queue_lifetime", "5d", CFGF_NONE),
        CFG_STR("queue_retry_first", "1m", CFGF_NONE),
        CFG_STR("queue_retry_most", "4h", CFGF_NONE),
        CFG_STR("queue_delay_warning", "4h", CFGF_NONE),
        CFG_INT("recipients_max", 1000, CFGF_NONE),
        CFG_INT("connections_max", 20000, CFGF_NONE),
        CFG_INT("connections_per_address", 2000, CFGF_NONE),
        CFG_STR("trace_keep", "30d", CFGF_NONE),
        CFG_STR_LIST("trusted_sealers", "{}", CFGF_NONE),
        CFG_STR("preflight", "warn", CFGF_NONE),
        CFG_BOOL("dmarc_reports", cfg_true, CFGF_NONE),
        CFG_BOOL("arc_seal", cfg_false, CFGF_NONE),
        CFG_END(),
    };
    static const struct {
        const char *name;
        cfg_validate_callback_t check;
    } checks[] = {
        {"hostname", check_hostname}, {"listen", check_listen}, {"resolver", check_resolver},
        {"port_offset", check_offset}, {"size_max", check_size}, {"queue_lifetime", check_duration},
        {"queue_retry_first", check_duration}, {"queue_retry_most", check_duration},
        {"queue_delay_warning", check_duration}, {"trace_keep", check_duration},
        {"recipients_max", check_positive}, {"connections_max", check_positive},
        {"connections_per_address", check_positive}, {"preflight", check_preflight},
    };
    char *text;
    int e = read_text(a, path, &text);
    if (e) return e;
    config_defaults(out);
    first_fault[0] = 0;
    cfg_t *cfg = cfg_init(opts, CFGF_NONE);
    if (!cfg) return err_set(ERR_IO, "cannot prepare to read %s", path);
    cfg_set_error_function(cfg, keep_fault);
    for (size_t i = 0; i < COUNT_OF(checks); i++) cfg_set_validate_func(cfg, checks[i].name, checks[i].check);
    if (cfg_parse_buf(cfg, text) != CFG_SUCCESS)
        e = err_set(ERR_SYNTAX, "%s", first_fault[0] ? first_fault : "tram.conf cannot be parsed");
    else take_values(a, cfg, out);
    cfg_free(cfg);
    if (!e && !out->hostname.n)
        e = err_set(ERR_SYNTAX, "%s: there is no line hostname = \"mail.example.org\": add one", path);
    if (!e && out->has_resolver && out->zone.n)
        e = err_set(ERR_SYNTAX, "%s: resolver and zone exclude each other: keep one of the two lines", path);
    return e;
}

struct slice config_text(struct arena *a, const struct config_start *s)
{
    struct buf b = BUF_INIT;
    char ip[IP_TEXT_MAX];
    buf_str(&b, "# tram.conf - what this node needs to start; see tram.conf(5). Domains, accounts and keys\n"
                "# live in the store: `tram domain`, `tram account`, `tram alias`.\n\n");
    buf_printf(&b, "hostname = \"%.*s\"\n", SLF(s->hostname));
    if (s->nlisten) {
        buf_str(&b, "listen = {");
        for (size_t i = 0; i < s->nlisten; i++)
            buf_printf(&b, "%s\"%s\"", i ? ", " : "", ip_format(&s->listen[i], ip));
        buf_str(&b, "}\n");
    } else {
        buf_str(&b,
                "# listen = {\"192.0.2.1\", \"2001:db8::1\"}     # default: every address of the machine\n");
    }
    buf_printf(&b, "port_offset = %u\n", s->port_offset);
    if (s->resolver.n) buf_printf(&b, "resolver = \"%.*s\"\n", SLF(s->resolver));
    if (s->zone.n) buf_printf(&b, "zone = \"%.*s\"\n", SLF(s->zone));
    buf_str(&b, "\n# size_max = \"50M\"\n# queue_lifetime = \"5d\"\n# queue_retry_first = \"1m\"\n# "
                "queue_retry_most = \"4h\"\n"
                "# queue_delay_warning = \"4h\"\n# trace_keep = \"30d\"\n# preflight = \"warn\"          # "
                "warn, hold, refuse, off\n");
    struct slice out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return out;
}
