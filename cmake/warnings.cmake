# The warning set of the house. Some of these are known to one compiler only: each is asked for.
include(CheckCCompilerFlag)
add_library(earshot_flags INTERFACE)
set(wanted
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes
    -Wmissing-prototypes -Wold-style-definition -Wvla -Walloca -Wundef -Wcast-qual
    -Wcast-align=strict -Wwrite-strings -Wformat=2 -Wformat-signedness -Wpointer-arith
    -Wnull-dereference -Wduplicated-cond -Wduplicated-branches -Wlogical-op -Wswitch-enum
    -Wimplicit-fallthrough=5 -Wstack-usage=16384)
if(EARSHOT_SANITIZE OR EARSHOT_FUZZ OR EARSHOT_COVERAGE)
  # Instrumented frames are larger, and instrumented paths confuse the null analysis.
  list(REMOVE_ITEM wanted -Wstack-usage=16384 -Wnull-dereference)
endif()
if(EARSHOT_WERROR)
  list(APPEND wanted -Werror)
endif()
foreach(flag IN LISTS wanted)
  string(MAKE_C_IDENTIFIER "HAVE${flag}" known)
  set(CMAKE_REQUIRED_FLAGS -Werror)
  check_c_compiler_flag(${flag} ${known})
  unset(CMAKE_REQUIRED_FLAGS)
  if(${known})
    target_compile_options(earshot_flags INTERFACE ${flag})
  endif()
endforeach()
