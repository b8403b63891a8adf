/* cli.h - the command line of the program. */
#pragma once

struct config;
/* Who serves, in the working directory (the home). */
struct cli_server {
    int (*prepare)(const struct config *conf); /* before there are threads; an error: nothing is served */
    int (*serve)(void *conf); /* until it is stopped; gets a struct config, on a fiber of a runtime with a
                                 loop for each core */
    int (*serve_while)(void *while_); /* the same until a function has returned; gets a struct cli_while */
};
struct core;
struct cli_while {
    struct config *conf;
    void (*fn)(void *arg,
               struct core *core); /* on a fiber of the first loop; is canceled when a signal comes */
    void *arg;
};
/* Runs one command line and returns its exit status: 0 done, 1 the answer is no, 2 wrong use, 3 could not. */
int cli_main(int argc, char **argv, const struct cli_server *server);
