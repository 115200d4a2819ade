/* reload.h - what a running sensor takes up of a new configuration, and what waits for a restart.
 *
 * Owns      nothing.
 * Borrows   configurations during the call.
 * Time      none.
 * Bounds    the rows of the configurations.
 * Errors    none.
 * Thread    main. */
#ifndef SENSOR_RUN_RELOAD_H
#define SENSOR_RUN_RELOAD_H

#include "sensor/run/config.h"

/* A change of this key waits for a restart. */
bool reload_waits(const struct config_row *row);
/* Names each key in which `wanted` asks for what `started` cannot become without a restart. */
void reload_differences(const struct config *wanted, const struct config *started,
                        void (*say)(void *owner, const char *key), void *owner);

#endif
