# Hardening, sanitizers, coverage. tests/check/hardening reads the finished ELF file.
target_compile_definitions(earshot_flags INTERFACE _GNU_SOURCE)
if(EARSHOT_SANITIZE)
  target_compile_options(earshot_flags INTERFACE -fsanitize=${EARSHOT_SANITIZE}
                         -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
  target_link_options(earshot_flags INTERFACE -fsanitize=${EARSHOT_SANITIZE})
else()
  foreach(flag -fstack-protector-strong -fstack-clash-protection -fcf-protection
               -ftrivial-auto-var-init=zero)
    string(MAKE_C_IDENTIFIER "HAVE${flag}" known)
    check_c_compiler_flag(${flag} ${known})
    if(${known})
      target_compile_options(earshot_flags INTERFACE ${flag})
    endif()
  endforeach()
  target_compile_options(earshot_flags INTERFACE $<$<CONFIG:Release>:-U_FORTIFY_SOURCE>
                         $<$<CONFIG:Release>:-D_FORTIFY_SOURCE=3>)
endif()
if(EARSHOT_FUZZ)
  target_compile_options(earshot_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(EARSHOT_COVERAGE)
  target_compile_options(earshot_flags INTERFACE --coverage -O0)
  target_link_options(earshot_flags INTERFACE --coverage)
endif()
target_link_options(earshot_flags INTERFACE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
# Assertions stay on in release: a wrong verdict in a SIEM costs more than a restart that says so.
set(CMAKE_C_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_C_FLAGS_DEBUG "-O1 -g -DEARSHOT_ASSERT_HOT")
