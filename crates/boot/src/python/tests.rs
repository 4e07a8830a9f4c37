use proptest::prelude::*;

use super::*;

/// What is asked again and again, with `?` in front of what any answer ends and `!` of what nothing else ends; `UNKNOWN` where
/// the text may wait for something else.
fn waits(text: &str) -> Vec<String> {
    let reading = read(text);
    let repeated = reading.asks.iter().filter(|ask| ask.repeated);
    let mut shown: Vec<String> = repeated
        .map(|ask| {
            let any = if ask.any_answer { "?" } else { "" };
            let endless = if ask.bounded { "" } else { "!" };
            format!("{any}{endless}{}:{}", ask.place, ask.line)
        })
        .collect();
    shown.extend((!reading.whole).then(|| "UNKNOWN".to_owned()));
    shown
}

#[test]
fn a_loop_that_a_call_ends_by_its_success_waits_for_its_address() {
    for (text, expected) in [
        (
            "import time\nimport urllib.request\nwhile True:\n    try:\n        urllib.request.urlopen(\"https://h/x\", timeout=5)\n        break\n    except Exception:\n        time.sleep(1)\n",
            "!https://h/x:5",
        ),
        (
            "import sys, time, requests\nfor _ in range(60):\n  try:\n    if requests.get('http://h:81/').status_code == 200:\n      sys.exit(0)\n  except requests.RequestException:\n    pass\n  time.sleep(2)\nsys.exit(1)\n",
            "http://h:81/:4",
        ),
        (
            "from socket import create_connection\nfrom time import sleep\nwhile True:\n  try:\n    create_connection((\"db\", 5432), timeout=1).close()\n  except OSError:\n    sleep(1)\n  else:\n    break\n",
            "!tcp://db:5432:5",
        ),
        (
            "import http.client, time\nok = False\nwhile not ok:\n  try:\n    c = http.client.HTTPSConnection(\"h\", 8443, timeout=5)\n    c.request(\"GET\", \"/health\")\n    ok = c.getresponse().status == 200\n  except OSError:\n    pass\n  time.sleep(1)\n",
            "!https://h:8443/health:5",
        ),
        (
            "import time, urllib.request\ndef up():\n  try:\n    with urllib.request.urlopen(\"http://h/\") as r:\n      return r.status == 200\n  except OSError:\n    return False\nwhile not up():\n  time.sleep(1)\n",
            "!http://h/:4",
        ),
        (
            "import requests, time\nwhile requests.get('http://h/').status_code != 200: time.sleep(1)\n",
            "!http://h/:2",
        ),
        (
            "import requests, time\ntries = 0\nwhile True:\n  try:\n    requests.get('http://h/')\n    break\n  except OSError:\n    tries += 1\n    if tries > 9:\n      raise\n    time.sleep(1)\n",
            "?http://h/:5",
        ),
        (
            "import time\nfrom urllib.request import Request, urlopen\nend = time.time() + 60\nwhile time.time() < end:\n  try:\n    urlopen(Request(\"http://h/\", headers={'A': 'b'}))\n    break\n  except OSError: time.sleep(1)\n",
            "http://h/:6",
        ),
        (
            "import socket, time\ns = socket.socket()\nwhile s.connect_ex(('127.0.0.1', 80)) != 0:\n  time.sleep(1)\n",
            "?!tcp://127.0.0.1:80:3",
        ),
        (
            "import time, urllib.request\nfor i in range(60):\n  try:\n    urllib.request.urlopen('http://h/')\n    raise SystemExit(0)\n  except OSError:\n    time.sleep(1)\nraise SystemExit('gone')\n",
            "http://h/:4",
        ),
        (
            "import requests, time\nwhile True:\n  try:\n    requests.request(\"GET\", \"http://h/\").raise_for_status()\n    break\n  except OSError: time.sleep(1)\n",
            "!http://h/:4",
        ),
        (
            "import socket, time\ndef up(): return socket.socket().connect_ex((\"db\", 5432)) == 0\nwhile not up(): time.sleep(1)\n",
            "?!tcp://db:5432:2",
        ),
        (
            "import time\nfrom urllib.request import urlopen\ndef up():\n  for _ in range(3):\n    try:\n      urlopen(\"http://h/\")\n      return True\n    except OSError: pass\n  return False\nwhile not up(): time.sleep(5)\n",
            "!http://h/:6",
        ),
        (
            "import requests, time\nok = False\nwhile not ok:\n  for _ in range(3):\n    try: ok = requests.get('http://h/').ok\n    except OSError: pass\n  time.sleep(5)\n",
            "!http://h/:5",
        ),
        (
            "import sys, time\nfrom urllib.request import urlopen\nfor _ in range(9):\n  try: urlopen('http://h/'); sys.exit(0)\n  except OSError: time.sleep(1)\n",
            "http://h/:4",
        ),
    ] {
        assert_eq!(waits(text), [expected], "{text}");
    }
}

#[test]
fn a_text_that_asks_without_end_is_not_whole() {
    let text = "import requests\nwhile True:\n  requests.get('http://h/')\n  break\n".repeat(2 * ASKS_LIMIT);
    let reading = read(&text);
    assert_eq!((reading.asks.len(), reading.whole), (ASKS_LIMIT, false));
}

#[test]
fn what_is_asked_once_is_no_wait() {
    for text in [
        "import urllib.request\nurllib.request.urlopen(\"http://h/\")\n",
        "import requests\nfor _ in range(9):\n  requests.get('http://h/')\n",
        "def f():\n  pass\nd = {}\nprint(d.get('a'), f())\n",
        "while True:\n  break\n",
    ] {
        assert_eq!(waits(text), Vec::<String>::new(), "{text}");
    }
    assert_eq!(read("import requests\nrequests.get('http://h/')").asks.len(), 1);
}

#[test]
fn what_is_no_literal_or_no_known_call_may_be_anything() {
    for text in [
        "import requests, time\nwhile True:\n  try:\n    requests.get(URL)\n    break\n  except OSError:\n    time.sleep(1)\n",
        "import urllib.request\nurllib.request.urlopen(\"http://\" + host)\n",
        "import urllib.request\nurllib.request.urlopen(f\"http://{host}/\")\n",
        "import urllib.request\nurllib.request.urlopen(\"http://%s/\" % host)\n",
        "import urllib.request\nurllib.request.urlopen(\"http://$HOST/\")\n",
        "import socket\nsocket.create_connection((host, 5432))\n",
        "import socket\nsocket.create_connection(ADDRESS)\n",
        "import http.client\nhttp.client.HTTPConnection(\"h\", 80).request(method, path)\n",
        "from requests import get\nget(url)\n",
        "import subprocess\n",
        "import time, docker\n",
        "from gate import *\n",
        "from time import *\n",
        "if x: import gate\n",
        "__import__('gate')\n",
        "exec(text)\n",
        "import os\nos.system('gate')\n",
        "import os, time\nwhile not os.path.exists('/run/x'):\n  time.sleep(1)\n",
        "open('/run/fifo').read()\n",
        "x[0]()\n",
        "print('a",
        "import requests\nrequests.Session().get('http://h/')\n",
        "import requests, time\nwhile True:\n  requests.get('http://h/')\n  time.sleep(1)\n",
        "import requests, sys, time\nfor i in range(9):\n  sys.exit(requests.get('http://h/').status_code)\n",
        "import requests, sys, time\nfor i in range(9):\n  sys.exit(0 if requests.get('http://h/').ok else 1)\n",
        "import requests\nrequests.request('GET', '/')\n",
        "from requests import request\nrequest('GET', url)\n",
        "import requests as r\nr.get('http://h/')\n",
        "import os\nos.path.get('http://' + HOST)\n",
        "import requests\nr.get('http://%s/' % h)\n",
        "from urllib.request import urlopen as load\nload('http://h/')\n",
        "import time\nfrom urllib.request import urlopen\nload = urlopen\n",
        "load = f\nload('http://h/')\n",
        "def wait(read):\n  read()\n",
        "import socket, time\ndef up(): socket.create_connection(('h', 1))\ndef retry(f): pass\nretry(up)\n",
        "import urllib.request\nprint(f\"up: {urllib.request.urlopen('http://h/').status}\")\n",
        "import os\nprint(f\"{os.system('/opt/gate')}\")\n",
    ] {
        assert_eq!(waits(text), ["UNKNOWN"], "{text}");
    }
}

#[test]
fn what_may_go_on_until_something_is_gone_is_no_wait_for_it() {
    let body = |header: &str, inner: &str| format!("import requests, sys, time\n{header}\n{inner}");
    let asks = "  try:\n    requests.get('http://h/').raise_for_status()\n";
    for (header, inner) in [
        ("while True:", format!("{asks}    time.sleep(1)\n  except OSError:\n    break\n")),
        (
            "while True:",
            "  r = requests.get('http://h/')\n  if r.status_code != 200:\n    break\n".to_owned(),
        ),
        ("while True:", "  if not requests.get('http://h/').ok: break\n".to_owned()),
        (
            "while True:",
            "  if requests.get('http://h/').ok:\n    time.sleep(1)\n  else:\n    break\n".to_owned(),
        ),
        ("while True:", format!("{asks}    continue\n  except OSError:\n    pass\n  break\n")),
        ("while requests.get('http://h/').ok:", "  time.sleep(1)\n".to_owned()),
        ("def f():", format!("{asks}  except OSError:\n    return True\nwhile not f(): time.sleep(1)\n")),
        (
            "def f():",
            format!("{asks}    return True\n  except OSError:\n    return False\nwhile f(): time.sleep(1)\n"),
        ),
        (
            "def f():",
            format!(
                "{asks}  except OSError:\n    return False\ndef g():\n  return f()\nwhile not g(): time.sleep(1)\n"
            ),
        ),
    ] {
        let text = body(header, &inner);
        assert_eq!(waits(&text), ["UNKNOWN"], "{text}");
    }
}

#[test]
fn a_loop_whose_end_is_not_seen_may_be_a_wait() {
    let text =
        |loops: &str| format!("import requests, socket, time\nfrom urllib.request import urlopen\n{loops}");
    for loops in [
        "while s.connect_ex(('127.0.0.1', 80)) > 0: time.sleep(1)\n",
        "while n < 60 and s.connect_ex(('127.0.0.1', 80)):\n  time.sleep(1)\n",
        "while status < 200:\n  try: status = urlopen('http://h/').status\n  except OSError: time.sleep(1)\n",
        "for i in range(9):\n  try: ok = urlopen('http://h/').status\n  except OSError: time.sleep(1)\n",
        "def pause(): time.sleep(9)\nfor i in range(9):\n  try:\n    urlopen('http://h/')\n    break\n  except OSError: pause()\n",
        "def up():\n  for i in range(3): requests.get('http://h/')\ndef f(): up()\nwhile f(): pass\n",
    ] {
        let text = text(loops);
        assert_eq!(waits(&text), ["UNKNOWN"], "{text}");
    }
}

#[test]
fn a_connection_that_is_made_before_the_loop_is_asked_in_it() {
    let text = |before: &str, inside: &str| {
        format!(
            "import http.client, time\n{before}while True:\n  try:\n{inside}    c.request(\"GET\", \"/\")\n    c.getresponse()\n    break\n  except OSError: time.sleep(1)\n"
        )
    };
    let made = "c = http.client.HTTPConnection(\"h\", 80)\n";
    assert_eq!(waits(&text(made, "")), ["UNKNOWN"]);
    assert_eq!(waits(&text("", &format!("    {made}"))), ["?!http://h:80/:4"]);
}

#[test]
fn a_text_with_a_status_of_its_own_may_fail_where_a_call_succeeds() {
    for (text, fails) in [
        ("import requests\nrequests.get('http://h/').raise_for_status()\n", true),
        ("import requests, sys\nrequests.get('http://h/')\nsys.exit(0)\n", true),
        ("import socket, sys; sys.exit(socket.socket().connect_ex((\"db\", 5432)) == 0)", false),
        ("import requests, sys\nsys.exit(requests.get('http://h/').ok)\n", false),
        ("import requests, sys\nif requests.get('http://h/').ok: sys.exit(1)\n", false),
        ("import requests\nassert not requests.get('http://h/').ok\n", false),
        ("import requests\ntry: requests.get('http://h/')\nfinally: f()\n", false),
        ("import requests\ntry: requests.get('http://h/')\nexcept OSError: pass\n", false),
    ] {
        assert_eq!(read(text).fails, fails, "{text}");
    }
}

proptest! {
    #[test]
    fn never_panics(
        text in any::<String>(),
        likely in "(while |for |try:|except:|if not |def f\\(\\):|urlopen\\(|'http://h/'|\\)|break|return|\\(|:|;|\n| ){0,30}",
    ) {
        read(&text);
        read(&likely);
    }
}
