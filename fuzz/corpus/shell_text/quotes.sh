IFS=$'\''
let m=1<<8
arr=(one "$(curl -fs https://ci.example.org/)" 'three
lines')
until curl -fs "https://ci.example.org/"; do sleep 1; done
