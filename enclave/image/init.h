/* What init's two halves have of each other. */

/* Writes a line to the console. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Says what failed, with errno, and ends the epoch. */
void fail(const char *what);

/* Returns once an interface has an address. */
void configure_network(void);
