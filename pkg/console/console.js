"use strict";
(() => {
  // web/vendor/htm.module.js
  var n = function(t4, s3, r3, e3) {
    var u3;
    s3[0] = 0;
    for (var h3 = 1; h3 < s3.length; h3++) {
      var p3 = s3[h3++], a3 = s3[h3] ? (s3[0] |= p3 ? 1 : 2, r3[s3[h3++]]) : s3[++h3];
      3 === p3 ? e3[0] = a3 : 4 === p3 ? e3[1] = Object.assign(e3[1] || {}, a3) : 5 === p3 ? (e3[1] = e3[1] || {})[s3[++h3]] = a3 : 6 === p3 ? e3[1][s3[++h3]] += a3 + "" : p3 ? (u3 = t4.apply(a3, n(t4, a3, r3, ["", null])), e3.push(u3), a3[0] ? s3[0] |= 2 : (s3[h3 - 2] = 0, s3[h3] = u3)) : e3.push(a3);
    }
    return e3;
  };
  var t = /* @__PURE__ */ new Map();
  function htm_module_default(s3) {
    var r3 = t.get(this);
    return r3 || (r3 = /* @__PURE__ */ new Map(), t.set(this, r3)), (r3 = n(this, r3.get(s3) || (r3.set(s3, r3 = (function(n3) {
      for (var t4, s4, r4 = 1, e3 = "", u3 = "", h3 = [0], p3 = function(n4) {
        1 === r4 && (n4 || (e3 = e3.replace(/^\s*\n\s*|\s*\n\s*$/g, ""))) ? h3.push(0, n4, e3) : 3 === r4 && (n4 || e3) ? (h3.push(3, n4, e3), r4 = 2) : 2 === r4 && "..." === e3 && n4 ? h3.push(4, n4, 0) : 2 === r4 && e3 && !n4 ? h3.push(5, 0, true, e3) : r4 >= 5 && ((e3 || !n4 && 5 === r4) && (h3.push(r4, 0, e3, s4), r4 = 6), n4 && (h3.push(r4, n4, 0, s4), r4 = 6)), e3 = "";
      }, a3 = 0; a3 < n3.length; a3++) {
        a3 && (1 === r4 && p3(), p3(a3));
        for (var l3 = 0; l3 < n3[a3].length; l3++) t4 = n3[a3][l3], 1 === r4 ? "<" === t4 ? (p3(), h3 = [h3], r4 = 3) : e3 += t4 : 4 === r4 ? "--" === e3 && ">" === t4 ? (r4 = 1, e3 = "") : e3 = t4 + e3[0] : u3 ? t4 === u3 ? u3 = "" : e3 += t4 : '"' === t4 || "'" === t4 ? u3 = t4 : ">" === t4 ? (p3(), r4 = 1) : r4 && ("=" === t4 ? (r4 = 5, s4 = e3, e3 = "") : "/" === t4 && (r4 < 5 || ">" === n3[a3][l3 + 1]) ? (p3(), 3 === r4 && (h3 = h3[0]), r4 = h3, (h3 = h3[0]).push(2, 0, r4), r4 = 0) : " " === t4 || "	" === t4 || "\n" === t4 || "\r" === t4 ? (p3(), r4 = 2) : e3 += t4), 3 === r4 && "!--" === e3 && (r4 = 4, h3 = h3[0]);
      }
      return p3(), h3;
    })(s3)), r3), arguments, [])).length > 1 ? r3 : r3[0];
  }

  // web/vendor/preact.module.js
  var n2;
  var l;
  var u;
  var t2;
  var i;
  var r;
  var o;
  var e;
  var f;
  var c;
  var a;
  var s;
  var h;
  var p;
  var v;
  var y;
  var d = {};
  var w = [];
  var _ = /acit|ex(?:s|g|n|p|$)|rph|grid|ows|mnc|ntw|ine[ch]|zoo|^ord|itera/i;
  var g = Array.isArray;
  function m(n3, l3) {
    for (var u3 in l3) n3[u3] = l3[u3];
    return n3;
  }
  function b(n3) {
    n3 && n3.parentNode && n3.parentNode.removeChild(n3);
  }
  function k(l3, u3, t4) {
    var i3, r3, o3, e3 = {};
    for (o3 in u3) "key" == o3 ? i3 = u3[o3] : "ref" == o3 ? r3 = u3[o3] : e3[o3] = u3[o3];
    if (arguments.length > 2 && (e3.children = arguments.length > 3 ? n2.call(arguments, 2) : t4), "function" == typeof l3 && null != l3.defaultProps) for (o3 in l3.defaultProps) void 0 === e3[o3] && (e3[o3] = l3.defaultProps[o3]);
    return x(l3, e3, i3, r3, null);
  }
  function x(n3, t4, i3, r3, o3) {
    var e3 = { type: n3, props: t4, key: i3, ref: r3, __k: null, __: null, __b: 0, __e: null, __c: null, constructor: void 0, __v: null == o3 ? ++u : o3, __i: -1, __u: 0 };
    return null == o3 && null != l.vnode && l.vnode(e3), e3;
  }
  function S(n3) {
    return n3.children;
  }
  function C(n3, l3) {
    this.props = n3, this.context = l3;
  }
  function $(n3, l3) {
    if (null == l3) return n3.__ ? $(n3.__, n3.__i + 1) : null;
    for (var u3; l3 < n3.__k.length; l3++) if (null != (u3 = n3.__k[l3]) && null != u3.__e) return u3.__e;
    return "function" == typeof n3.type ? $(n3) : null;
  }
  function I(n3) {
    if (n3.__P && n3.__d) {
      var u3 = n3.__v, t4 = u3.__e, i3 = [], r3 = [], o3 = m({}, u3);
      o3.__v = u3.__v + 1, l.vnode && l.vnode(o3), q(n3.__P, o3, u3, n3.__n, n3.__P.namespaceURI, 32 & u3.__u ? [t4] : null, i3, null == t4 ? $(u3) : t4, !!(32 & u3.__u), r3), o3.__v = u3.__v, o3.__.__k[o3.__i] = o3, D(i3, o3, r3), u3.__e = u3.__ = null, o3.__e != t4 && P(o3);
    }
  }
  function P(n3) {
    if (null != (n3 = n3.__) && null != n3.__c) return n3.__e = n3.__c.base = null, n3.__k.some(function(l3) {
      if (null != l3 && null != l3.__e) return n3.__e = n3.__c.base = l3.__e;
    }), P(n3);
  }
  function A(n3) {
    (!n3.__d && (n3.__d = true) && i.push(n3) && !H.__r++ || r != l.debounceRendering) && ((r = l.debounceRendering) || o)(H);
  }
  function H() {
    try {
      for (var n3, l3 = 1; i.length; ) i.length > l3 && i.sort(e), n3 = i.shift(), l3 = i.length, I(n3);
    } finally {
      i.length = H.__r = 0;
    }
  }
  function L(n3, l3, u3, t4, i3, r3, o3, e3, f3, c3, a3) {
    var s3, h3, p3, v3, y3, _3, g2 = t4 && t4.__k || w, m3 = l3.length;
    for (f3 = T(u3, l3, g2, f3, m3), s3 = 0; s3 < m3; s3++) null != (p3 = u3.__k[s3]) && (h3 = -1 != p3.__i && g2[p3.__i] || d, p3.__i = s3, _3 = q(n3, p3, h3, i3, r3, o3, e3, f3, c3, a3), v3 = p3.__e, p3.ref && h3.ref != p3.ref && (h3.ref && J(h3.ref, null, p3), a3.push(p3.ref, p3.__c || v3, p3)), null == y3 && null != v3 && (y3 = v3), 4 & p3.__u ? (f3 = j(p3, f3, n3), h3.__e && (h3.__e = null)) : "function" == typeof p3.type && void 0 !== _3 ? f3 = _3 : v3 && (f3 = v3.nextSibling), p3.__u &= -7);
    return u3.__e = y3, f3;
  }
  function T(n3, l3, u3, t4, i3) {
    var r3, o3, e3, f3, c3, a3 = u3.length, s3 = a3, h3 = 0;
    for (n3.__k = new Array(i3), r3 = 0; r3 < i3; r3++) null != (o3 = l3[r3]) && "boolean" != typeof o3 && "function" != typeof o3 ? ("string" == typeof o3 || "number" == typeof o3 || "bigint" == typeof o3 || o3.constructor == String ? o3 = n3.__k[r3] = x(null, o3, null, null, null) : g(o3) ? o3 = n3.__k[r3] = x(S, { children: o3 }, null, null, null) : void 0 === o3.constructor && o3.__b > 0 ? o3 = n3.__k[r3] = x(o3.type, o3.props, o3.key, o3.ref ? o3.ref : null, o3.__v) : n3.__k[r3] = o3, f3 = r3 + h3, o3.__ = n3, o3.__b = n3.__b + 1, e3 = null, -1 != (c3 = o3.__i = O(o3, u3, f3, s3)) && (s3--, (e3 = u3[c3]) && (e3.__u |= 2)), null == e3 || null == e3.__v ? (-1 == c3 && (i3 > a3 ? h3-- : i3 < a3 && h3++), "function" != typeof o3.type && (o3.__u |= 4)) : c3 != f3 && (c3 == f3 - 1 ? h3-- : c3 == f3 + 1 ? h3++ : (c3 > f3 ? h3-- : h3++, o3.__u |= 4))) : n3.__k[r3] = null;
    if (s3) for (r3 = 0; r3 < a3; r3++) null != (e3 = u3[r3]) && 0 == (2 & e3.__u) && (e3.__e == t4 && (t4 = $(e3)), K(e3, e3));
    return t4;
  }
  function j(n3, l3, u3) {
    var t4, i3;
    if ("function" == typeof n3.type) {
      for (t4 = n3.__k, i3 = 0; t4 && i3 < t4.length; i3++) t4[i3] && (t4[i3].__ = n3, l3 = j(t4[i3], l3, u3));
      return l3;
    }
    n3.__e != l3 && (l3 && n3.type && !l3.parentNode && (l3 = $(n3)), l3 = u3.insertBefore(n3.__e, l3 || null));
    do {
      l3 = l3 && l3.nextSibling;
    } while (null != l3 && 8 == l3.nodeType);
    return l3;
  }
  function O(n3, l3, u3, t4) {
    var i3, r3, o3, e3 = n3.key, f3 = n3.type, c3 = l3[u3], a3 = null != c3 && 0 == (2 & c3.__u);
    if (null === c3 && null == e3 || a3 && e3 == c3.key && f3 == c3.type) return u3;
    if (t4 > (a3 ? 1 : 0)) {
      for (i3 = u3 - 1, r3 = u3 + 1; i3 >= 0 || r3 < l3.length; ) if (null != (c3 = l3[o3 = i3 >= 0 ? i3-- : r3++]) && 0 == (2 & c3.__u) && e3 == c3.key && f3 == c3.type) return o3;
    }
    return -1;
  }
  function z(n3, l3, u3) {
    "-" == l3[0] ? n3.setProperty(l3, null == u3 ? "" : u3) : n3[l3] = null == u3 ? "" : "number" != typeof u3 || _.test(l3) ? u3 : u3 + "px";
  }
  function N(n3, l3, u3, t4, i3) {
    var r3, o3;
    n: if ("style" == l3) if ("string" == typeof u3) n3.style.cssText = u3;
    else {
      if ("string" == typeof t4 && (n3.style.cssText = t4 = ""), t4) for (l3 in t4) u3 && l3 in u3 || z(n3.style, l3, "");
      if (u3) for (l3 in u3) t4 && u3[l3] == t4[l3] || z(n3.style, l3, u3[l3]);
    }
    else if ("o" == l3[0] && "n" == l3[1]) r3 = l3 != (l3 = l3.replace(s, "$1")), o3 = l3.toLowerCase(), l3 = o3 in n3 || "onFocusOut" == l3 || "onFocusIn" == l3 ? o3.slice(2) : l3.slice(2), n3.l || (n3.l = {}), n3.l[l3 + r3] = u3, u3 ? t4 ? u3[a] = t4[a] : (u3[a] = h, n3.addEventListener(l3, r3 ? v : p, r3)) : n3.removeEventListener(l3, r3 ? v : p, r3);
    else {
      if ("http://www.w3.org/2000/svg" == i3) l3 = l3.replace(/xlink(H|:h)/, "h").replace(/sName$/, "s");
      else if ("width" != l3 && "height" != l3 && "href" != l3 && "list" != l3 && "form" != l3 && "tabIndex" != l3 && "download" != l3 && "rowSpan" != l3 && "colSpan" != l3 && "role" != l3 && "popover" != l3 && l3 in n3) try {
        n3[l3] = null == u3 ? "" : u3;
        break n;
      } catch (n4) {
      }
      "function" == typeof u3 || (null == u3 || false === u3 && "-" != l3[4] ? n3.removeAttribute(l3) : n3.setAttribute(l3, "popover" == l3 && 1 == u3 ? "" : u3));
    }
  }
  function V(n3) {
    return function(u3) {
      if (this.l) {
        var t4 = this.l[u3.type + n3];
        if (null == u3[c]) u3[c] = h++;
        else if (u3[c] < t4[a]) return;
        return t4(l.event ? l.event(u3) : u3);
      }
    };
  }
  function q(n3, u3, t4, i3, r3, o3, e3, f3, c3, a3) {
    var s3, h3, p3, v3, y3, d3, _3, k3, x2, M, I2, P2, A3, H2, T3, j3, F = u3.type;
    if (void 0 !== u3.constructor) return null;
    128 & t4.__u && (c3 = !!(32 & t4.__u), o3 = [f3 = u3.__e = t4.__e]), (s3 = l.__b) && s3(u3);
    n: if ("function" == typeof F) {
      h3 = e3.length;
      try {
        if (x2 = u3.props, M = F.prototype && F.prototype.render, I2 = (s3 = F.contextType) && i3[s3.__c], P2 = s3 ? I2 ? I2.props.value : s3.__ : i3, t4.__c ? k3 = (p3 = u3.__c = t4.__c).__ = p3.__E : (M ? u3.__c = p3 = new F(x2, P2) : (u3.__c = p3 = new C(x2, P2), p3.constructor = F, p3.render = Q), I2 && I2.sub(p3), p3.state || (p3.state = {}), p3.__n = i3, v3 = p3.__d = true, p3.__h = [], p3._sb = []), M && null == p3.__s && (p3.__s = p3.state), M && null != F.getDerivedStateFromProps && (p3.__s == p3.state && (p3.__s = m({}, p3.__s)), m(p3.__s, F.getDerivedStateFromProps(x2, p3.__s))), y3 = p3.props, d3 = p3.state, p3.__v = u3, v3) M && null == F.getDerivedStateFromProps && null != p3.componentWillMount && p3.componentWillMount(), M && null != p3.componentDidMount && p3.__h.push(p3.componentDidMount);
        else {
          if (M && null == F.getDerivedStateFromProps && x2 !== y3 && null != p3.componentWillReceiveProps && p3.componentWillReceiveProps(x2, P2), u3.__v == t4.__v || !p3.__e && null != p3.shouldComponentUpdate && false === p3.shouldComponentUpdate(x2, p3.__s, P2)) {
            u3.__v != t4.__v && (p3.props = x2, p3.state = p3.__s, p3.__d = false), u3.__e = t4.__e, u3.__k = t4.__k, u3.__k.some(function(n4) {
              n4 && (n4.__ = u3);
            }), w.push.apply(p3.__h, p3._sb), p3._sb = [], p3.__h.length && e3.push(p3), f3 = $(t4);
            break n;
          }
          null != p3.componentWillUpdate && p3.componentWillUpdate(x2, p3.__s, P2), M && null != p3.componentDidUpdate && p3.__h.push(function() {
            p3.componentDidUpdate(y3, d3, _3);
          });
        }
        if (p3.context = P2, p3.props = x2, p3.__P = n3, p3.__e = false, A3 = l.__r, H2 = 0, M) p3.state = p3.__s, p3.__d = false, A3 && A3(u3), s3 = p3.render(p3.props, p3.state, p3.context), w.push.apply(p3.__h, p3._sb), p3._sb = [];
        else do {
          p3.__d = false, A3 && A3(u3), s3 = p3.render(p3.props, p3.state, p3.context), p3.state = p3.__s;
        } while (p3.__d && ++H2 < 25);
        p3.state = p3.__s, null != p3.getChildContext && (i3 = m(m({}, i3), p3.getChildContext())), M && !v3 && null != p3.getSnapshotBeforeUpdate && (_3 = p3.getSnapshotBeforeUpdate(y3, d3)), T3 = null != s3 && s3.type === S && null == s3.key ? E(s3.props.children) : s3, f3 = L(n3, g(T3) ? T3 : [T3], u3, t4, i3, r3, o3, e3, f3, c3, a3), p3.base = u3.__e, u3.__u &= -161, p3.__h.length && e3.push(p3), k3 && (p3.__E = p3.__ = null);
      } catch (n4) {
        if (e3.length = h3, u3.__v = null, c3 || null != o3) {
          if (n4.then) {
            for (u3.__u |= c3 ? 160 : 128; f3 && 8 == f3.nodeType && f3.nextSibling; ) f3 = f3.nextSibling;
            null != o3 && (o3[o3.indexOf(f3)] = null), u3.__e = f3;
          } else if (null != o3) for (j3 = o3.length; j3--; ) b(o3[j3]);
        } else u3.__e = t4.__e;
        null == u3.__k && (u3.__k = t4.__k || []), n4.then || B(u3), l.__e(n4, u3, t4);
      }
    } else null == o3 && u3.__v == t4.__v ? (u3.__k = t4.__k, u3.__e = t4.__e) : f3 = u3.__e = G(t4.__e, u3, t4, i3, r3, o3, e3, c3, a3);
    return (s3 = l.diffed) && s3(u3), 128 & u3.__u ? void 0 : f3;
  }
  function B(n3) {
    n3 && (n3.__c && (n3.__c.__e = true), n3.__k && n3.__k.some(B));
  }
  function D(n3, u3, t4) {
    for (var i3 = 0; i3 < t4.length; i3++) J(t4[i3], t4[++i3], t4[++i3]);
    l.__c && l.__c(u3, n3), n3.some(function(u4) {
      try {
        n3 = u4.__h, u4.__h = [], n3.some(function(n4) {
          n4.call(u4);
        });
      } catch (n4) {
        l.__e(n4, u4.__v);
      }
    });
  }
  function E(n3) {
    return "object" != typeof n3 || null == n3 || n3.__b > 0 ? n3 : g(n3) ? n3.map(E) : void 0 !== n3.constructor ? null : m({}, n3);
  }
  function G(u3, t4, i3, r3, o3, e3, f3, c3, a3) {
    var s3, h3, p3, v3, y3, w3, _3, m3 = i3.props || d, k3 = t4.props, x2 = t4.type;
    if ("svg" == x2 ? o3 = "http://www.w3.org/2000/svg" : "math" == x2 ? o3 = "http://www.w3.org/1998/Math/MathML" : o3 || (o3 = "http://www.w3.org/1999/xhtml"), null != e3) {
      for (s3 = 0; s3 < e3.length; s3++) if ((y3 = e3[s3]) && "setAttribute" in y3 == !!x2 && (x2 ? y3.localName == x2 : 3 == y3.nodeType)) {
        u3 = y3, e3[s3] = null;
        break;
      }
    }
    if (null == u3) {
      if (null == x2) return document.createTextNode(k3);
      u3 = document.createElementNS(o3, x2, k3.is && k3), c3 && (l.__m && l.__m(t4, e3), c3 = false), e3 = null;
    }
    if (null == x2) m3 === k3 || c3 && u3.data == k3 || (u3.data = k3);
    else {
      if (e3 = "textarea" == x2 && null != k3.defaultValue ? null : e3 && n2.call(u3.childNodes), !c3 && null != e3) for (m3 = {}, s3 = 0; s3 < u3.attributes.length; s3++) m3[(y3 = u3.attributes[s3]).name] = y3.value;
      for (s3 in m3) y3 = m3[s3], "dangerouslySetInnerHTML" == s3 ? p3 = y3 : "children" == s3 || s3 in k3 || "value" == s3 && "defaultValue" in k3 || "checked" == s3 && "defaultChecked" in k3 || N(u3, s3, null, y3, o3);
      for (s3 in k3) y3 = k3[s3], "children" == s3 ? v3 = y3 : "dangerouslySetInnerHTML" == s3 ? h3 = y3 : "value" == s3 ? w3 = y3 : "checked" == s3 ? _3 = y3 : c3 && "function" != typeof y3 || m3[s3] === y3 || N(u3, s3, y3, m3[s3], o3);
      if (h3) c3 || p3 && (h3.__html == p3.__html || h3.__html == u3.innerHTML) || (u3.innerHTML = h3.__html), t4.__k = [];
      else if (p3 && (u3.innerHTML = ""), L("template" == t4.type ? u3.content : u3, g(v3) ? v3 : [v3], t4, i3, r3, "foreignObject" == x2 ? "http://www.w3.org/1999/xhtml" : o3, e3, f3, e3 ? e3[0] : i3.__k && $(i3, 0), c3, a3), null != e3) for (s3 = e3.length; s3--; ) b(e3[s3]);
      c3 && "textarea" != x2 || (s3 = "value", "progress" == x2 && null == w3 ? u3.removeAttribute("value") : null != w3 && (w3 !== u3[s3] || "progress" == x2 && !w3 || "option" == x2 && w3 != m3[s3]) && N(u3, s3, w3, m3[s3], o3), s3 = "checked", null != _3 && _3 != u3[s3] && N(u3, s3, _3, m3[s3], o3));
    }
    return u3;
  }
  function J(n3, u3, t4) {
    try {
      if ("function" == typeof n3) {
        var i3 = "function" == typeof n3.__u;
        i3 && n3.__u(), i3 && null == u3 || (n3.__u = n3(u3));
      } else n3.current = u3;
    } catch (n4) {
      l.__e(n4, t4);
    }
  }
  function K(n3, u3, t4) {
    var i3, r3;
    if (l.unmount && l.unmount(n3), (i3 = n3.ref) && (i3.current && i3.current != n3.__e || J(i3, null, u3)), null != (i3 = n3.__c)) {
      if (i3.componentWillUnmount) try {
        i3.componentWillUnmount();
      } catch (n4) {
        l.__e(n4, u3);
      }
      i3.base = i3.__P = i3.__n = null;
    }
    if (i3 = n3.__k) for (r3 = 0; r3 < i3.length; r3++) i3[r3] && K(i3[r3], u3, t4 || "function" != typeof n3.type);
    t4 || b(n3.__e), n3.__c = n3.__ = n3.__e = void 0;
  }
  function Q(n3, l3, u3) {
    return this.constructor(n3, u3);
  }
  function R(u3, t4, i3) {
    var r3, o3, e3, f3;
    t4 == document && (t4 = document.documentElement), l.__ && l.__(u3, t4), o3 = (r3 = "function" == typeof i3) ? null : i3 && i3.__k || t4.__k, e3 = [], f3 = [], q(t4, u3 = (!r3 && i3 || t4).__k = k(S, null, [u3]), o3 || d, d, t4.namespaceURI, !r3 && i3 ? [i3] : o3 ? null : t4.firstChild ? n2.call(t4.childNodes) : null, e3, !r3 && i3 ? i3 : o3 ? o3.__e : t4.firstChild, r3, f3), D(e3, u3, f3), u3.props.children = null;
  }
  n2 = w.slice, l = { __e: function(n3, l3, u3, t4) {
    for (var i3, r3, o3; l3 = l3.__; ) if ((i3 = l3.__c) && !i3.__) try {
      if ((r3 = i3.constructor) && null != r3.getDerivedStateFromError && (i3.setState(r3.getDerivedStateFromError(n3)), o3 = i3.__d), null != i3.componentDidCatch && (i3.componentDidCatch(n3, t4 || {}), o3 = i3.__d), o3) return i3.__E = i3;
    } catch (l4) {
      n3 = l4;
    }
    throw n3;
  } }, u = 0, t2 = function(n3) {
    return null != n3 && void 0 === n3.constructor;
  }, C.prototype.setState = function(n3, l3) {
    var u3;
    u3 = null != this.__s && this.__s != this.state ? this.__s : this.__s = m({}, this.state), "function" == typeof n3 && (n3 = n3(m({}, u3), this.props)), n3 && m(u3, n3), null != n3 && this.__v && (l3 && this._sb.push(l3), A(this));
  }, C.prototype.forceUpdate = function(n3) {
    this.__v && (this.__e = true, n3 && this.__h.push(n3), A(this));
  }, C.prototype.render = S, i = [], o = "function" == typeof Promise ? Promise.prototype.then.bind(Promise.resolve()) : setTimeout, e = function(n3, l3) {
    return n3.__v.__b - l3.__v.__b;
  }, H.__r = 0, f = Math.random().toString(8), c = "__d" + f, a = "__a" + f, s = /(PointerCapture)$|Capture$/i, h = 0, p = V(false), v = V(true), y = 0;

  // web/vendor/preact-hooks.module.js
  var t3;
  var r2;
  var u2;
  var i2;
  var o2 = 0;
  var f2 = [];
  var c2 = l;
  var e2 = c2.__b;
  var a2 = c2.__r;
  var v2 = c2.diffed;
  var l2 = c2.__c;
  var m2 = c2.unmount;
  var p2 = c2.__;
  function s2(n3, t4) {
    c2.__h && c2.__h(r2, n3, o2 || t4), o2 = 0;
    var u3 = r2.__H || (r2.__H = { __: [], __h: [] });
    return n3 >= u3.__.length && u3.__.push({}), u3.__[n3];
  }
  function d2(n3) {
    return o2 = 1, y2(D2, n3);
  }
  function y2(n3, u3, i3) {
    var o3 = s2(t3++, 2);
    if (o3.t = n3, !o3.__c && (o3.__ = [i3 ? i3(u3) : D2(void 0, u3), function(n4) {
      var t4 = o3.__N ? o3.__N[0] : o3.__[0], r3 = o3.t(t4, n4);
      t4 !== r3 && (o3.__N = [r3, o3.__[1]], o3.__c.setState({}));
    }], o3.__c = r2, !r2.__f)) {
      var f3 = function(n4, t4, r3) {
        if (!o3.__c.__H) return true;
        var u4 = false, i4 = o3.__c.props !== n4;
        if (o3.__c.__H.__.some(function(n5) {
          if (n5.__N) {
            u4 = true;
            var t5 = n5.__[0];
            n5.__ = n5.__N, n5.__N = void 0, t5 !== n5.__[0] && (i4 = true);
          }
        }), c3) {
          var f4 = c3.call(this, n4, t4, r3);
          return u4 ? f4 || i4 : f4;
        }
        return !u4 || i4;
      };
      r2.__f = true;
      var c3 = r2.shouldComponentUpdate, e3 = r2.componentWillUpdate;
      r2.componentWillUpdate = function(n4, t4, r3) {
        if (this.__e) {
          var u4 = c3;
          c3 = void 0, f3(n4, t4, r3), c3 = u4;
        }
        e3 && e3.call(this, n4, t4, r3);
      }, r2.shouldComponentUpdate = f3;
    }
    return o3.__N || o3.__;
  }
  function h2(n3, u3) {
    var i3 = s2(t3++, 3);
    !c2.__s && C2(i3.__H, u3) && (i3.__ = n3, i3.u = u3, r2.__H.__h.push(i3));
  }
  function _2(n3, u3) {
    var i3 = s2(t3++, 4);
    !c2.__s && C2(i3.__H, u3) && (i3.__ = n3, i3.u = u3, r2.__h.push(i3));
  }
  function A2(n3) {
    return o2 = 5, T2(function() {
      return { current: n3 };
    }, []);
  }
  function T2(n3, r3) {
    var u3 = s2(t3++, 7);
    return C2(u3.__H, r3) && (u3.__ = n3(), u3.__H = r3, u3.__h = n3), u3.__;
  }
  function j2() {
    for (var n3; n3 = f2.shift(); ) {
      var t4 = n3.__H;
      if (n3.__P && t4) try {
        t4.__h.some(z2), t4.__h.some(B2), t4.__h = [];
      } catch (r3) {
        t4.__h = [], c2.__e(r3, n3.__v);
      }
    }
  }
  c2.__b = function(n3) {
    r2 = null, e2 && e2(n3);
  }, c2.__ = function(n3, t4) {
    n3 && t4.__k && t4.__k.__m && (n3.__m = t4.__k.__m), p2 && p2(n3, t4);
  }, c2.__r = function(n3) {
    a2 && a2(n3), t3 = 0;
    var i3 = (r2 = n3.__c).__H;
    i3 && (u2 === r2 ? (i3.__h = [], r2.__h = [], i3.__.some(function(n4) {
      n4.__N && (n4.__ = n4.__N), n4.u = n4.__N = void 0;
    })) : (i3.__h.some(z2), i3.__h.some(B2), i3.__h = [], t3 = 0)), u2 = r2;
  }, c2.diffed = function(n3) {
    v2 && v2(n3);
    var t4 = n3.__c;
    t4 && t4.__H && (t4.__H.__h.length && (1 !== f2.push(t4) && i2 === c2.requestAnimationFrame || ((i2 = c2.requestAnimationFrame) || w2)(j2)), t4.__H.__.some(function(n4) {
      n4.u && (n4.__H = n4.u, n4.u = void 0);
    })), u2 = r2 = null;
  }, c2.__c = function(n3, t4) {
    t4.some(function(n4) {
      try {
        n4.__h.some(z2), n4.__h = n4.__h.filter(function(n5) {
          return !n5.__ || B2(n5);
        });
      } catch (r3) {
        t4.some(function(n5) {
          n5.__h && (n5.__h = []);
        }), t4 = [], c2.__e(r3, n4.__v);
      }
    }), l2 && l2(n3, t4);
  }, c2.unmount = function(n3) {
    m2 && m2(n3);
    var t4, r3 = n3.__c;
    r3 && r3.__H && (r3.__H.__.some(function(n4) {
      try {
        z2(n4);
      } catch (n5) {
        t4 = n5;
      }
    }), r3.__H = void 0, t4 && c2.__e(t4, r3.__v));
  };
  var k2 = "function" == typeof requestAnimationFrame;
  function w2(n3) {
    var t4, r3 = function() {
      clearTimeout(u3), k2 && cancelAnimationFrame(t4), setTimeout(n3);
    }, u3 = setTimeout(r3, 35);
    k2 && (t4 = requestAnimationFrame(r3));
  }
  function z2(n3) {
    var t4 = r2, u3 = n3.__c;
    "function" == typeof u3 && (n3.__c = void 0, u3()), r2 = t4;
  }
  function B2(n3) {
    var t4 = r2;
    n3.__c = n3.__(), r2 = t4;
  }
  function C2(n3, t4) {
    return !n3 || n3.length !== t4.length || t4.some(function(t5, r3) {
      return t5 !== n3[r3];
    });
  }
  function D2(n3, t4) {
    return "function" == typeof t4 ? t4(n3) : t4;
  }

  // web/preact.js
  var html = htm_module_default.bind(k);

  // web/session.js
  function store(state) {
    const listeners = /* @__PURE__ */ new Set();
    return {
      get: () => state,
      set(change) {
        state = { ...state, ...change };
        for (const listener of [...listeners]) listener();
      },
      watch: (listener) => listeners.add(listener),
      use() {
        const [, redraw] = d2(0);
        _2(() => {
          const listener = () => redraw((n3) => n3 + 1);
          listeners.add(listener);
          return () => listeners.delete(listener);
        }, []);
        return state;
      }
    };
  }
  var remembered = {
    name: "goblins-secrets.key",
    read() {
      try {
        return sessionStorage.getItem(this.name);
      } catch {
        return null;
      }
    },
    write(key) {
      try {
        if (key) sessionStorage.setItem(this.name, key);
        else sessionStorage.removeItem(this.name);
      } catch {
      }
    }
  };
  var signedOut = {
    key: null,
    refused: "",
    // the reason to ask for the key again, while the views keep their state
    signIns: 0,
    // a change reloads all data that was loaded with another key
    user: null,
    // the key's user, known from the first reveal on
    budget: null,
    // {limit, window, left, until}: until is when the next reveal comes back, in ms
    notice: "",
    // the result of the last action
    search: ""
    // in the list of secrets
  };
  var session = store({ ...signedOut, key: remembered.read() });
  function signIn(key, remember) {
    remembered.write(remember ? key : null);
    session.set({ key, refused: "", user: null, signIns: session.get().signIns + 1 });
  }
  function signOut() {
    remembered.write(null);
    session.set({ ...signedOut, signIns: session.get().signIns + 1 });
  }
  function refuse(why) {
    remembered.write(null);
    session.set({ key: null, refused: why });
  }
  var notify = (notice) => session.set({ notice });
  function setBudget({ limit, window: window2, left, reset }) {
    session.set({ budget: { limit, window: window2, left, until: reset ? Date.now() + reset * 1e3 : 0 } });
  }

  // web/api.js
  var pageSize = 200;
  var patience = 3e4;
  var Failure = class extends Error {
    constructor(kind, message, more = {}) {
      super(message);
      Object.assign(this, { kind, wait: 0, fields: {} }, more);
    }
  };
  async function call(method, path, body, key = session.get().key) {
    for (let tries = 1; ; tries++) {
      const answer = await send(method, path, body, key);
      if (answer.status === 429 && !answer.headers.has("RateLimit") && tries < 6) {
        await new Promise((resolve) => setTimeout(resolve, 1e3 * tries));
        continue;
      }
      readBudget(answer.headers);
      return await read(answer, key);
    }
  }
  async function send(method, path, body, key) {
    try {
      return await fetch(new URL(`../api/${path}`, document.baseURI), {
        method,
        headers: { Authorization: `Bearer ${key}`, ...body && { "Content-Type": "application/json" } },
        body: body && JSON.stringify(body),
        cache: "no-store",
        credentials: "omit",
        redirect: "error",
        signal: AbortSignal.timeout(patience)
      });
    } catch (error) {
      throw new Failure(
        "broken",
        error.name === "TimeoutError" ? "The API did not answer in time. The change may have been made: check before you try again." : "The API can't be reached. Check the connection, then try again. Your input is kept."
      );
    }
  }
  async function read(answer, key) {
    const body = answer.status === 204 ? null : await answer.json().catch(() => void 0);
    if (answer.ok && body !== void 0) return body;
    const detail = typeof body?.detail === "string" ? body.detail : "";
    switch (answer.status) {
      case 400:
        if (body && !detail) throw new Failure("invalid", "Some fields are invalid. Correct them.", { fields: body });
        break;
      case 401: {
        const why = "The API no longer accepts this key. Sign in again. Your input is kept.";
        if (session.get().key === key && key) refuse(why);
        throw new Failure("session", why);
      }
      case 404:
        throw new Failure("missing", "Not found. It was deleted, or it belongs to another account. Return to the list.");
      case 429: {
        const wait = Number(answer.headers.get("Retry-After")) || 1;
        throw new Failure("throttled", "Your budget of reveals is spent. Try again later.", { wait });
      }
    }
    if (answer.status < 500 && detail) throw new Failure("refused", detail);
    const text = `The API failed (${answer.status}). Try again in a moment. If it fails again, ask your administrator.`;
    throw new Failure("broken", text);
  }
  function readBudget(headers) {
    const number = (header, name) => Number(new RegExp(`;${name}=(\\d+)`).exec(headers.get(header))?.[1]);
    if (!headers.has("RateLimit")) return;
    setBudget({
      limit: number("RateLimit-Policy", "q"),
      window: number("RateLimit-Policy", "w"),
      left: number("RateLimit", "r"),
      reset: number("RateLimit", "t")
    });
  }
  async function all(path, onPage) {
    const rows = [];
    for (let cursor = ""; cursor !== null; ) {
      const query = new URLSearchParams({ page_size: pageSize, ...cursor && { cursor } });
      const page = await call("GET", `${path}${path.includes("?") ? "&" : "?"}${query}`);
      rows.push(...page.results);
      cursor = page.next && new URL(page.next).searchParams.get("cursor");
      onPage([...rows], cursor === null);
    }
  }
  async function refreshBudget() {
    try {
      setBudget(await call("GET", "budget/"));
    } catch {
    }
  }

  // web/place.js
  var home = new URL(document.baseURI).pathname;
  var here = () => location.pathname.startsWith(home) ? location.pathname.slice(home.length).replace(/\/$/, "") : "";
  var place = store({ path: here() });
  function navigate(path) {
    history.pushState(null, "", home + path);
    arrive();
  }
  function arrive() {
    place.set({ path: here() });
    requestAnimationFrame(() => {
      scrollTo(0, 0);
      document.querySelector("h1")?.focus();
    });
  }

  // web/text.js
  var count = (n3, noun) => `${n3} ${noun}${n3 === 1 ? "" : "s"}`;
  var loadingMore = ", loading more …";
  function duration(seconds) {
    if (seconds < 60) return `${Math.max(0, Math.ceil(seconds))} s`;
    if (seconds < 5400) return `${Math.ceil(seconds / 60)} min`;
    return `${Math.ceil(seconds / 3600)} h`;
  }
  function clock(seconds) {
    const whole = Math.max(0, Math.ceil(seconds));
    const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
    if (parts[0] === 0) parts.shift();
    return parts.map((n3, i3) => i3 === 0 ? `${n3}` : `${n3}`.padStart(2, "0")).join(":");
  }
  var sinceUnits = [["year", 31536e3], ["month", 2592e3], ["day", 86400], ["hour", 3600], ["minute", 60]];
  var relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  function since(time) {
    const seconds = (Date.now() - Date.parse(time)) / 1e3;
    const unit = sinceUnits.find(([, length]) => seconds >= length);
    return unit ? relative.format(-Math.floor(seconds / unit[1]), unit[0]) : "just now";
  }
  var exactly = (time) => new Date(time).toLocaleString(void 0, { dateStyle: "full", timeStyle: "long" });
  function unseen(text) {
    const found = /* @__PURE__ */ new Set();
    for (const [character] of text.matchAll(/[\p{Cf}\p{Zl}\p{Zp}]|(?![\t\n])\p{Cc}/gu)) {
      found.add("U+" + character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0"));
      if (found.size === 5) break;
    }
    return [...found];
  }
  var bytes = (text) => new TextEncoder().encode(text).length;

  // web/parts.js
  function useTick(interval) {
    const [, redraw] = d2(0);
    h2(() => {
      if (!interval) return void 0;
      const timer = setInterval(() => redraw((n3) => n3 + 1), interval);
      return () => clearInterval(timer);
    }, [interval]);
  }
  function useReturn(act) {
    const latest = A2(act);
    latest.current = act;
    h2(() => {
      const listener = () => document.hidden || latest.current();
      document.addEventListener("visibilitychange", listener);
      return () => document.removeEventListener("visibilitychange", listener);
    }, []);
  }
  function useAction() {
    const [state, setState] = d2({ busy: false, failure: null });
    const running = A2(false);
    const run = async (act) => {
      if (running.current) return false;
      running.current = true;
      setState({ busy: true, failure: null });
      let failure = null;
      try {
        await act();
      } catch (error) {
        failure = asFailure(error);
      }
      running.current = false;
      setState({ busy: false, failure });
      return failure === null;
    };
    return { ...state, run, clear: () => setState({ busy: false, failure: null }) };
  }
  var asFailure = (error) => error instanceof Failure ? error : new Failure("broken", `The page failed (${error.message}). Reload it and try again.`);
  function useLoad(path, load, empty) {
    const { key, signIns } = session.use();
    const [state, setState] = d2({ data: empty, done: false, failure: null });
    const run = A2({ number: 0, busy: false, done: false });
    const reload = async () => {
      const mine = ++run.current.number;
      run.current.busy = true;
      try {
        await load((data, done) => {
          if (mine === run.current.number && (done || !run.current.done)) setState({ data, done, failure: null });
          if (mine === run.current.number && done) run.current.done = true;
        });
      } catch (error) {
        if (mine === run.current.number) setState((s3) => ({ ...s3, failure: asFailure(error) }));
      }
      if (mine === run.current.number) run.current.busy = false;
    };
    h2(() => {
      if (key) reload();
      return () => {
        run.current = { number: run.current.number + 1, busy: false, done: false };
        setState({ data: empty, done: false, failure: null });
      };
    }, [path, signIns]);
    useReturn(() => session.get().key && reload());
    const change = (by) => {
      setState((s3) => ({ ...s3, data: by(s3.data) }));
      if (run.current.busy) reload();
    };
    return { ...state, reload, change };
  }
  var useList = (path) => useLoad(path, (onPage) => all(path, onPage), []);
  var useOne = (path) => useLoad(path, async (onData) => onData(await call("GET", path), true), null);
  var put = (thing) => (rows) => rows.some((r3) => r3.id === thing.id) ? rows.map((r3) => r3.id === thing.id ? thing : r3) : [...rows, thing];
  var drop = (id) => (rows) => rows.filter((r3) => r3.id !== id);
  function Link({ to, children, ...more }) {
    const follow = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
      event.preventDefault();
      navigate(to);
    };
    return html`<a href=${new URL(to, document.baseURI).pathname} onClick=${follow} ...${more}>${children}</a>`;
  }
  function Problem({ failure, retry }) {
    if (!failure || failure.kind === "session") return null;
    const others = Object.entries(failure.fields).filter(([name]) => !shownFields.includes(name));
    return html`<div class="problem" role="alert">
    <p>${failure.message}</p>
    ${others.map(([name, messages]) => html`<p>${name === "non_field_errors" ? "" : `${name}: `}${[].concat(messages).join(" ")}</p>`)}
    ${retry && html`<button type="button" onClick=${retry}>Try again</button>`}
  </div>`;
  }
  var shownFields = ["name", "key", "value"];
  var ids = 0;
  var useId = () => T2(() => `f${++ids}`, []);
  function Field({ label, hint, name, value, onInput, failure, lines, type = "text", focus, ...more }) {
    const id = useId();
    const ref = A2(null);
    const messages = failure?.fields?.[name];
    h2(() => {
      if (focus) ref.current.focus();
    }, []);
    h2(() => {
      if (messages) ref.current.focus();
    }, [messages]);
    const about = [hint && `${id}-hint`, messages && `${id}-error`].filter(Boolean).join(" ");
    const attributes = {
      id,
      ref,
      name,
      value,
      onInput: (event) => onInput(event.target.value),
      autocomplete: "off",
      autocapitalize: "off",
      autocorrect: "off",
      spellcheck: "false",
      translate: "no",
      "aria-invalid": messages ? "true" : void 0,
      "aria-describedby": about || void 0,
      ...more
    };
    return html`<div class="field">
    <label for=${id}>${label}</label>
    ${hint && html`<p class="hint" id="${id}-hint">${hint}</p>`}
    ${lines ? html`<textarea rows=${lines} ...${attributes}></textarea>` : html`<input type=${type} ...${attributes} />`}
    ${messages && html`<p class="wrong" id="${id}-error">${[].concat(messages).join(" ")}</p>`}
  </div>`;
  }
  function Dialog({ title, onClose, wide, children }) {
    const ref = A2(null);
    const gone = A2(false);
    const id = useId();
    const { refused } = session.use();
    _2(() => {
      if (refused) ref.current.close();
      else if (!ref.current.open) ref.current.showModal();
    }, [refused]);
    _2(() => () => {
      gone.current = true;
      ref.current.close();
    }, []);
    const cancel = (event) => {
      event.preventDefault();
      onClose?.();
    };
    const closed = () => {
      if (gone.current || session.get().refused) return;
      if (onClose) onClose();
      else ref.current.showModal();
    };
    return html`<dialog ref=${ref} class=${wide ? "wide" : ""} aria-labelledby=${id} onCancel=${cancel} onClose=${closed}>
    <h2 id=${id}>${title}</h2>
    ${children}
  </dialog>`;
  }
  function FormDialog({ title, submit, danger, ready = true, action, act, onClose, children }) {
    const onSubmit = async (event) => {
      event.preventDefault();
      if (ready && await action.run(act)) onClose();
    };
    return html`<${Dialog} title=${title} onClose=${onClose}>
    <form onSubmit=${onSubmit}>
      ${children}
      <${Problem} failure=${action.failure} />
      <div class="buttons">
        <button type="button" onClick=${onClose}>Cancel</button>
        <button type="submit" class=${danger ? "danger" : "primary"}
          disabled=${!ready || action.busy}>${action.busy ? "Working …" : submit}</button>
      </div>
    </form>
  <//>`;
  }
  function Time({ at }) {
    useTick(3e4);
    return html`<time datetime=${at} title=${exactly(at)}>${since(at)}</time>`;
  }
  var statuses = {
    pending: ["Pending", "Services use this secret, but it has not been delivered to them yet."],
    deploying: ["Deploying", "Services still use this secret as it was before the last changes."],
    failed: ["Failed", "The last delivery to the services failed. It is retried automatically. Ask your administrator for the reason."],
    ready: ["Ready", "Services have this secret as it is now, or no service uses it."]
  };
  function Status({ secret }) {
    const [label, meaning] = statuses[secret.status] ?? [secret.status, ""];
    return html`<span class="badge ${secret.status}" title=${meaning}>${label}</span>`;
  }
  var settled = (secret) => secret.status !== "pending" && secret.status !== "deploying";
  function useStatus(secrets, onSecret) {
    const waiting = secrets.filter((s3) => !settled(s3)).map((s3) => s3.id).join(" ");
    const latest = A2(onSecret);
    latest.current = onSecret;
    h2(() => {
      if (!waiting) return void 0;
      let timer;
      const ask = async (delay) => {
        if (!document.hidden && session.get().key) {
          for (const id of waiting.split(" ").slice(0, 10)) {
            try {
              latest.current(await call("GET", `secrets/${id}/`));
            } catch {
            }
          }
        }
        timer = setTimeout(ask, delay, Math.min(delay * 1.5, 15e3));
      };
      timer = setTimeout(ask, 700, 1e3);
      return () => clearTimeout(timer);
    }, [waiting]);
  }
  function Search({ label, value, onInput, onEnter }) {
    const submit = (event) => {
      event.preventDefault();
      onEnter?.();
    };
    const keys = (event) => {
      if (event.key === "Escape") {
        onInput("");
        event.target.blur();
      }
    };
    return html`<form class="search" role="search" onSubmit=${submit}>
    <input type="search" aria-label=${label} placeholder="${label}  ( / )" value=${value}
      aria-keyshortcuts="/" data-search
      autocomplete="off" spellcheck="false" onInput=${(event) => onInput(event.target.value)} onKeyDown=${keys} />
  </form>`;
  }
  var matches = (text, search) => text.toLowerCase().includes(search.trim().toLowerCase());

  // web/dotenv.js
  var escapes = { n: "\n", r: "\r", t: "	", '"': '"', "\\": "\\", $: "$" };
  function parseDotenv(text) {
    const entries = [];
    const lines = text.replace(/\r\n?/g, "\n").split("\n");
    for (let i3 = 0; i3 < lines.length; i3++) {
      const line = i3 + 1;
      if (/^\s*(#|$)/.test(lines[i3])) continue;
      const assignment = /^\s*(?:export\s+)?([^\s=]+)\s*=[^\S\n]*(.*)$/s.exec(lines[i3]);
      if (!assignment) {
        entries.push({ line, key: "", value: "", problem: "This line is not KEY=value." });
        continue;
      }
      const [, key, rest] = assignment;
      const quote = /^["']/.exec(rest)?.[0];
      if (!quote) {
        entries.push(checked({ line, key, value: rest.replace(/(^|\s)#.*$/s, "").trimEnd() }));
        continue;
      }
      const quoted = readQuoted([rest, ...lines.slice(i3 + 1)].join("\n"), quote);
      if (!quoted) {
        entries.push({ line, key, value: "", problem: `The quote ${quote} is not closed.` });
        continue;
      }
      i3 += quoted.lines;
      const problem = /^\s*(#.*)?$/s.test(quoted.after) ? void 0 : "There is text after the closing quote.";
      entries.push(problem ? { line, key, value: "", problem } : checked({ line, key, value: quoted.value }));
    }
    return onlyLast(entries);
  }
  function readQuoted(text, quote) {
    let value = "";
    for (let i3 = 1; i3 < text.length; i3++) {
      if (text[i3] === quote) {
        return { value, lines: text.slice(0, i3).split("\n").length - 1, after: text.slice(i3 + 1).split("\n", 1)[0] };
      }
      if (quote === '"' && text[i3] === "\\" && text[i3 + 1] in escapes) {
        value += escapes[text[++i3]];
      } else {
        value += text[i3];
      }
    }
    return void 0;
  }
  function checked(entry) {
    if (!/^[A-Za-z0-9._-]{1,255}$/.test(entry.key)) {
      entry.problem = "A key has 1 to 255 letters, digits, dots, underscores and hyphens.";
    } else if (entry.value === "") {
      entry.problem = "The value is empty.";
    } else if (bytes(entry.value) > 65536) {
      entry.problem = "The value is longer than 64 KiB.";
    }
    return entry;
  }
  function onlyLast(entries) {
    const last = new Map(entries.filter((e3) => !e3.problem).map((e3) => [e3.key, e3]));
    for (const e3 of entries) {
      if (!e3.problem && last.get(e3.key) !== e3) e3.problem = `Line ${last.get(e3.key).line} sets it again.`;
    }
    return entries;
  }

  // web/value.js
  var shownFor = 30;
  function useReveal(item, onItem) {
    const [shown, setShown] = d2(null);
    const action = useAction();
    const hide = () => setShown(null);
    const { refused } = session.use();
    h2(() => {
      if (refused) hide();
    }, [refused]);
    h2(() => {
      if (!shown) return void 0;
      const timer = setTimeout(hide, shown.until - Date.now());
      const left = () => document.hidden && hide();
      const escape = (event) => event.key === "Escape" && !document.querySelector("dialog[open]") && hide();
      document.addEventListener("visibilitychange", left);
      window.addEventListener("pagehide", hide);
      document.addEventListener("keydown", escape);
      return () => {
        clearTimeout(timer);
        document.removeEventListener("visibilitychange", left);
        window.removeEventListener("pagehide", hide);
        document.removeEventListener("keydown", escape);
      };
    }, [shown]);
    h2(hide, [item.updated_at]);
    const show = () => action.run(async () => {
      const { value, ...known } = await call("GET", `secrets/${item.secret}/items/${item.id}/`);
      session.set({ user: known.last_accessed_by });
      onItem({ ...item, ...known });
      if (!document.hidden) setShown({ value: String(value), until: Date.now() + shownFor * 1e3 });
    });
    const { busy, failure, clear } = action;
    return { value: shown?.value, until: shown?.until, busy, failure, show, hide, clear };
  }
  function Shown({ item, reveal }) {
    useTick(1e3);
    const { budget } = session.use();
    const odd = unseen(reveal.value);
    return html`<div class="shown">
    <pre class="value" tabindex="0" aria-label=${`Value of ${item.key}`}>${reveal.value}</pre>
    ${odd.length > 0 && html`<p class="hint">This value has invisible characters: ${odd.join(", ")}.</p>`}
    <p class="hint" role="status">This was logged as your reveal${budget ? `; ${budget.left} of ${budget.limit} are left` : ""}.</p>
    <p class="hint">Hidden again in ${duration((reveal.until - Date.now()) / 1e3)}, or when you leave this tab.</p>
    <div class="buttons">
      <${CopyButton} item=${item} value=${reveal.value} />
      <button onClick=${reveal.hide} aria-label=${`Hide value of ${item.key}`}>Hide</button>
    </div>
  </div>`;
  }
  function Spent({ reveal }) {
    const until = T2(() => Date.now() + reveal.failure.wait * 1e3, [reveal.failure]);
    useTick(1e3);
    const seconds = (until - Date.now()) / 1e3;
    h2(() => {
      const timer = setTimeout(reveal.clear, Math.max(0, until - Date.now()));
      return () => clearTimeout(timer);
    }, [until]);
    return html`<p class="spent">The value was not revealed: your budget is spent.
    The next reveal is possible in <strong role="timer">${clock(seconds)}</strong>.</p>`;
  }
  function CopyButton({ item, value }) {
    const copy = async () => {
      try {
        await navigator.clipboard.writeText(value);
      } catch {
        notify("The browser did not allow the copy. Select the value and copy it yourself.");
        return;
      }
      notify(`Copied. The clipboard is cleared in ${shownFor} s, if the browser allows it.`);
      setTimeout(clearClipboard, shownFor * 1e3, value);
    };
    return html`<button onClick=${copy} aria-label=${`Copy value of ${item.key}`}>Copy</button>`;
  }
  async function clearClipboard(value) {
    if (!document.hasFocus()) {
      window.addEventListener("focus", () => clearClipboard(value), { once: true });
      return;
    }
    try {
      const reading = await navigator.permissions.query({ name: "clipboard-read" }).catch(() => null);
      if (reading?.state === "granted" && await navigator.clipboard.readText() !== value) return;
      await navigator.clipboard.writeText("");
      notify("The clipboard was cleared.");
    } catch {
      notify("The value is still in the clipboard: the browser did not allow this page to clear it. Copy something else.");
    }
  }

  // web/items.js
  function ItemRow({ item, open, onItem }) {
    const { budget } = session.use();
    const reveal = useReveal(item, onItem);
    const throttled = reveal.failure?.kind === "throttled";
    const spent = budget?.left === 0 && budget.until > Date.now();
    return html`<li class="row item">
    <div class="grow">
      <h3 class="key">${item.key}</h3>
      <p class="quiet"><${LastReveal} item=${item} /> · changed <${Time} at=${item.updated_at} /></p>
    </div>
    ${reveal.value === void 0 ? html`<div class="masked">
          <span class="mask" aria-label="Value is hidden" role="img">••••••••</span>
          <button onClick=${reveal.show} disabled=${reveal.busy || spent}
            aria-label=${`Show value of ${item.key}`}>${reveal.busy ? "Revealing …" : "Show"}</button>
        </div>` : html`<${Shown} item=${item} reveal=${reveal} />`}
    ${throttled ? html`<${Spent} reveal=${reveal} />` : html`<${Problem} failure=${reveal.failure} />`}
    <div class="buttons">
      <button onClick=${() => open({ kind: "edit", item, value: reveal.value })}
        aria-label=${`Edit value of ${item.key}`}>Edit</button>
      <button onClick=${() => open({ kind: "rename", item })}
        aria-label=${`Rename item ${item.key}`}>Rename</button>
      <button class="danger" onClick=${() => open({ kind: "delete", item })}
        aria-label=${`Delete item ${item.key}`}>Delete</button>
    </div>
  </li>`;
  }
  function LastReveal({ item }) {
    const { user } = session.use();
    if (!item.last_accessed_at) return html`<span>Last revealed: never</span>`;
    const by = item.last_accessed_by;
    const who = by === user ? html`<span title=${by}>you</span>` : html`<code title=${by}>…${by.slice(-6)}</code>`;
    return html`<span>Last revealed <${Time} at=${item.last_accessed_at} /> by ${who}</span>`;
  }
  var itemPath = (item) => `secrets/${item.secret}/items/${item.id}/`;
  function AddItem({ secret, onClose, done }) {
    const [key, setKey] = d2("");
    const [value, setValue] = d2("");
    const action = useAction();
    const act = async () => done(await call("POST", `secrets/${secret}/items/`, { key, value }));
    return html`<${FormDialog} title="Add item" submit="Add" action=${action} act=${act} onClose=${onClose}>
    <${Field} label="Key" name="key"
      hint="Letters, digits, dots, underscores and hyphens, such as DATABASE_PASSWORD."
      value=${key} onInput=${setKey} failure=${action.failure} focus />
    <${ValueField} value=${value} onInput=${setValue} failure=${action.failure} />
  <//>`;
  }
  var valueHint = "Stored exactly as entered, with every space and line break. Up to 64 KiB.";
  var ValueField = (props) => html`<${Field} label="Value" name="value" hint=${valueHint} lines="4" ...${props} />`;
  function EditItem({ item, value: shown = "", onClose, done }) {
    const fits = !shown.includes("\r");
    const [value, setValue] = d2(fits ? shown : "");
    const action = useAction();
    const act = async () => done(await call("PATCH", itemPath(item), { value }));
    return html`<${FormDialog} title="Edit value" submit="Save" action=${action} act=${act} onClose=${onClose}>
    <p>Enter a new value for <strong class="key">${item.key}</strong>. It replaces the current value permanently.</p>
    ${!fits && html`<p class="hint">The current value has carriage returns, which can’t be edited here.
      Enter the whole new value.</p>`}
    <${ValueField} value=${value} onInput=${setValue} failure=${action.failure} focus />
  <//>`;
  }
  function RenameItem({ item, onClose, done }) {
    const [key, setKey] = d2(item.key);
    const action = useAction();
    const act = async () => done(await call("PATCH", itemPath(item), { key }));
    return html`<${FormDialog} title="Rename item" submit="Rename" action=${action} act=${act} onClose=${onClose}>
    <${Field} label="Key" name="key" value=${key} onInput=${setKey} failure=${action.failure} focus />
  <//>`;
  }
  function DeleteItem({ item, onClose, done }) {
    const action = useAction();
    const act = async () => {
      await call("DELETE", itemPath(item));
      done();
    };
    return html`<${FormDialog} title="Delete item" submit="Delete permanently" danger action=${action} act=${act}
    onClose=${onClose}>
    <p>This deletes <strong class="key">${item.key}</strong> and its value permanently.</p>
  <//>`;
  }

  // web/import.js
  function ImportDialog({ secret, items, onItem, onClose, done }) {
    const [text, setText] = d2("");
    const [results, setResults] = d2(/* @__PURE__ */ new Map());
    const [running, setRunning] = d2(false);
    const entries = T2(() => parseDotenv(text), [text]);
    const known = A2(/* @__PURE__ */ new Map());
    if (results.size === 0) known.current = new Map(items.map((item) => [item.key, item]));
    const good = entries.filter((e3) => !e3.problem);
    const left = good.filter((e3) => results.get(e3) !== "");
    const tried = [...results.values()];
    const failed = tried.filter((result) => result !== "").length;
    const start = async (event) => {
      event.preventDefault();
      if (running || left.length === 0) return;
      setRunning(true);
      const outcome = new Map([...results].filter(([, result]) => result === ""));
      setResults(new Map(outcome));
      for (const entry of left) {
        try {
          onItem(await importEntry(secret, entry, known.current.get(entry.key)));
          outcome.set(entry, "");
        } catch (error) {
          const failure = asFailure(error);
          outcome.set(entry, wrong(failure));
          setResults(new Map(outcome));
          if (failure.kind === "session" || failure.kind === "broken") break;
        }
        setResults(new Map(outcome));
      }
      setRunning(false);
      done();
    };
    const change = (value) => {
      setText(value);
      setResults(/* @__PURE__ */ new Map());
    };
    const finished = !running && good.length > 0 && left.length === 0;
    const button = `${failed > 0 ? "Retry" : "Import"} ${count(left.length, "item")}`;
    return html`<${Dialog} title="Paste a .env file" wide onClose=${running ? void 0 : onClose}>
    <form onSubmit=${start}>
      <${Field} label="Contents of the file" name="env" lines="8" value=${text} onInput=${change}
        readOnly=${running} focus hint=${envHint} />
      ${entries.length > 0 && html`<${Preview} entries=${entries} known=${known.current} results=${results} />`}
      ${(running || results.size > 0) && html`<div class="progress">
        <progress max=${good.length} value=${good.length - left.length} aria-label="Imported"></progress>
        <p role="status">${good.length - left.length} of ${good.length} done${failed ? `, ${failed} failed` : ""}.</p>
      </div>`}
      <div class="buttons">
        <button type="button" onClick=${onClose} disabled=${running}>${finished ? "Close" : "Cancel"}</button>
        ${!finished && html`<button type="submit" class="primary"
          disabled=${running || left.length === 0}>${running ? "Importing …" : button}</button>`}
      </div>
    </form>
  <//>`;
  }
  var envHint = "One KEY=value per line. Quotes, comments, export and quoted values of several lines are supported. Variables are not substituted.";
  var importEntry = (secret, { key, value }, item) => item ? call("PATCH", itemPath(item), { value }) : call("POST", `secrets/${secret}/items/`, { key, value });
  var wrong = (failure) => failure.kind === "invalid" ? Object.values(failure.fields).flat().join(" ") : failure.message;
  function Preview({ entries, known, results }) {
    const adds = entries.filter((e3) => !e3.problem && !known.has(e3.key)).length;
    const changes = entries.filter((e3) => !e3.problem && known.has(e3.key)).length;
    return html`<h3 class="preview">${adds} to add, ${changes} to change, ${entries.length - adds - changes} to skip</h3>
    <ol class="entries" tabindex="0" aria-label="What will be imported">
      ${entries.map((entry) => html`<li key=${entry.line}>
        <span class="quiet">Line ${entry.line}</span> <span class="key">${entry.key}</span>${" "}
        <${Outcome} entry=${entry} isNew=${!known.has(entry.key)} result=${results.get(entry)} />
      </li>`)}
    </ol>`;
  }
  function Outcome({ entry, isNew, result }) {
    if (entry.problem) return html`<span class="skip">Skipped. ${entry.problem}</span>`;
    if (result === "") return html`<span class="good">${isNew ? "Added" : "Changed"}</span>`;
    if (result) return html`<span class="wrong">Failed. ${result}</span>`;
    return html`<span>${isNew ? "Add" : "Change"} (${count([...entry.value].length, "character")})</span>`;
  }

  // web/secrets.js
  function SecretsView() {
    const { search } = session.use();
    const list = useList("secrets/");
    const [dialog, setDialog] = d2(null);
    useStatus(list.data, (secret) => list.change(put(secret)));
    h2(() => {
      if (list.done && !session.get().budget) refreshBudget();
    }, [list.done]);
    const found = list.data.filter((s3) => matches(s3.name, search));
    const close = () => setDialog(null);
    const changed = (notice) => (secret) => {
      list.change(put(secret));
      notify(notice);
    };
    return html`<main>
    <div class="bar">
      <h1 tabindex="-1">Secrets</h1>
      <${Search} label="Search secrets by name" value=${search} onInput=${(text) => session.set({ search: text })}
        onEnter=${() => found.length && navigate(`secrets/${found[0].id}`)} />
      <button class="primary" onClick=${() => setDialog({ kind: "create" })}>New secret</button>
    </div>
    <${Problem} failure=${list.failure} retry=${list.reload} />
    ${!list.done && !list.failure && list.data.length === 0 && html`<p class="quiet">Loading …</p>`}
    ${list.done && list.data.length === 0 && html`<p class="empty">There are no secrets yet.
      Create one with “New secret”: it is a named group of keys and values.</p>`}
    ${list.data.length > 0 && found.length === 0 && html`<p class="empty">No name contains
      “<bdi>${search.trim()}</bdi>”. Press Esc in the search to see all secrets.</p>`}
    ${found.length > 0 && html`<ul class="rows" aria-label="Secrets">
      ${found.map((secret) => html`<${SecretRow} key=${secret.id} secret=${secret} open=${setDialog} />`)}
    </ul>`}
    ${list.data.length > 0 && html`<p class="quiet">${search ? `${found.length} of ` : ""}${count(list.data.length, "secret")}${list.done ? "" : loadingMore}</p>`}
    ${dialog?.kind === "create" && html`<${NameDialog} onClose=${close} done=${changed("The secret was created.")} />`}
    ${dialog?.kind === "rename" && html`<${NameDialog} secret=${dialog.secret} onClose=${close} done=${changed("The secret was renamed.")} />`}
    ${dialog?.kind === "delete" && html`<${DeleteSecret} secret=${dialog.secret} onClose=${close}
      done=${() => list.change(drop(dialog.secret.id))} />`}
  </main>`;
  }
  function SecretRow({ secret, open }) {
    return html`<li class="row">
    <div class="grow">
      <${Link} to=${`secrets/${secret.id}`} class="name"><bdi>${secret.name}</bdi><//>
      <p class="quiet">Created <${Time} at=${secret.created_at} /></p>
    </div>
    <div class="badges"><${SecretBadges} secret=${secret} /></div>
    <${SecretButtons} secret=${secret} open=${open} />
  </li>`;
  }
  var defaultHint = "Services that name no secret use this one. It can't be deleted.";
  var SecretBadges = ({ secret }) => html`
  ${secret.is_default && html`<span class="badge" title=${defaultHint}>Default</span>`}
  <${Status} secret=${secret} />`;
  var SecretButtons = ({ secret, open }) => html`<div class="buttons">
  <button onClick=${() => open({ kind: "rename", secret })} aria-label=${`Rename secret ${secret.name}`}>Rename</button>
  ${!secret.is_default && html`<button class="danger" onClick=${() => open({ kind: "delete", secret })}
    aria-label=${`Delete secret ${secret.name}`}>Delete</button>`}
</div>`;
  function NameDialog({ secret, onClose, done }) {
    const [name, setName] = d2(secret?.name ?? "");
    const action = useAction();
    const act = async () => done(await (secret ? call("PATCH", `secrets/${secret.id}/`, { name }) : call("POST", "secrets/", { name })));
    return html`<${FormDialog} title=${secret ? "Rename secret" : "New secret"} submit=${secret ? "Rename" : "Create"}
    action=${action} act=${act} onClose=${onClose}>
    <${Field} label="Name" name="name" hint="Up to 255 characters. No other secret may have this name." value=${name}
      onInput=${setName} failure=${action.failure} focus />
  <//>`;
  }
  function DeleteSecret({ secret, onClose, done }) {
    const [typed, setTyped] = d2("");
    const action = useAction();
    const act = async () => {
      await call("DELETE", `secrets/${secret.id}/`);
      done();
      notify("The secret was deleted.");
    };
    return html`<${FormDialog} title="Delete secret" submit="Delete permanently" danger ready=${typed === secret.name}
    action=${action} act=${act} onClose=${onClose}>
    <p>This deletes <strong class="name"><bdi>${secret.name}</bdi></strong> and all its items permanently. It can’t be
      undone.</p>
    <${Field} label="Type the secret’s name to confirm" name="confirmation" value=${typed} onInput=${setTyped}
      focus />
  <//>`;
  }

  // web/secret.js
  function SecretView({ id }) {
    const path = `secrets/${id}/`;
    const secret = useOne(path);
    const items = useList(`${path}items/`);
    const users = useList(`services/?secret=${id}`);
    const [dialog, setDialog] = d2(null);
    const [search, setSearch] = d2("");
    useStatus(secret.data ? [secret.data] : [], (s3) => secret.change(() => s3));
    h2(() => {
      if (!session.get().budget && session.get().key) refreshBudget();
    }, []);
    const close = () => setDialog(null);
    const onItem = (item) => items.change(put(item));
    const changed = (notice) => (item) => {
      onItem(item);
      notify(notice);
      secret.reload();
    };
    const found = items.data.filter((item) => matches(item.key, search));
    const open = dialog && html`<${SecretDialog} dialog=${dialog} secret=${secret} items=${items} id=${id}
    onItem=${onItem} changed=${changed} onClose=${close} />`;
    if (secret.failure?.kind === "missing") {
      return html`<main key="missing">
      <h1 tabindex="-1">Secret not found</h1>
      <${Problem} failure=${secret.failure} />
      <p><${Link} to="">All secrets<//></p>
    </main>${open}`;
    }
    return html`<main key="secret">
    <p><${Link} to="">← All secrets<//></p>
    <div class="bar">
      <h1 tabindex="-1" class="name">${secret.data ? html`<bdi>${secret.data.name}</bdi>` : "Secret"}</h1>
      ${secret.data && html`<div class="badges"><${SecretBadges} secret=${secret.data} /></div>
        <${SecretButtons} secret=${secret.data} open=${setDialog} />`}
    </div>
    <${Problem} failure=${secret.failure} retry=${secret.reload} />
    ${secret.data && !settled(secret.data) && html`<p class="quiet" role="status">${statuses[secret.data.status][1]}</p>`}
    ${secret.data?.status === "failed" && html`<p class="problem">${statuses.failed[1]}</p>`}
    <${Users} users=${users} />
    <section aria-labelledby="items">
      <div class="bar">
        <h2 id="items">Items</h2>
        <${Search} label="Search items by key" value=${search} onInput=${setSearch} />
        <div class="buttons">
          <button onClick=${() => setDialog({ kind: "import" })} disabled=${!items.done}>Paste .env</button>
          <button class="primary" onClick=${() => setDialog({ kind: "add" })} disabled=${!secret.data}>Add item</button>
        </div>
      </div>
      <${Problem} failure=${items.failure} retry=${items.reload} />
      ${!items.done && !items.failure && items.data.length === 0 && html`<p class="quiet">Loading …</p>`}
      ${items.done && items.data.length === 0 && html`<p class="empty">This secret has no items yet.
        Add a key and its value with “Add item”, or many at once with “Paste .env”.</p>`}
      ${items.data.length > 0 && found.length === 0 && html`<p class="empty">No key contains
        “<bdi>${search.trim()}</bdi>”. Press Esc in the search to see all items.</p>`}
      ${found.length > 0 && html`<ul class="rows" aria-label="Items">
        ${found.map((item) => html`<${ItemRow} key=${item.id} item=${item} open=${setDialog} onItem=${onItem} />`)}
      </ul>`}
      ${items.data.length > 0 && html`<p class="quiet">${count(items.data.length, "item")}${items.done ? "" : loadingMore}.
        Each “Show” is logged with the user, the time and the source address.</p>`}
    </section>
  </main>${open}`;
  }
  function SecretDialog({ dialog, secret, items, id, onItem, changed, onClose }) {
    const { kind, item } = dialog;
    const renamed = (s3) => {
      secret.change(() => s3);
      notify("The secret was renamed.");
    };
    const deleted = () => {
      items.change(drop(item.id));
      notify("The item was deleted.");
      secret.reload();
    };
    switch (item ? `${kind} item` : kind) {
      case "rename":
        return html`<${NameDialog} secret=${dialog.secret} onClose=${onClose} done=${renamed} />`;
      case "delete":
        return html`<${DeleteSecret} secret=${dialog.secret} onClose=${onClose} done=${() => navigate("")} />`;
      case "add":
        return html`<${AddItem} secret=${id} onClose=${onClose} done=${changed("The item was added.")} />`;
      case "import":
        return html`<${ImportDialog} secret=${id} items=${items.data} onItem=${onItem} onClose=${onClose}
        done=${secret.reload} />`;
      case "edit item":
        return html`<${EditItem} item=${item} value=${dialog.value} onClose=${onClose}
        done=${changed("The value was changed.")} />`;
      case "rename item":
        return html`<${RenameItem} item=${item} onClose=${onClose} done=${changed("The item was renamed.")} />`;
      default:
        return html`<${DeleteItem} item=${item} onClose=${onClose} done=${deleted} />`;
    }
  }
  function Users({ users }) {
    return html`<section aria-labelledby="users">
    <h2 id="users">Used by</h2>
    <${Problem} failure=${users.failure} retry=${users.reload} />
    ${!users.done && !users.failure && html`<p class="quiet">Loading …</p>`}
    ${users.done && users.data.length === 0 && html`<p class="quiet">No service uses this secret, so it is not delivered.</p>`}
    ${users.data.length > 0 && html`<ul class="users">
      ${users.data.map((service) => html`<li key=${service.id}><strong>${service.name}</strong>${" "}
        <span class="quiet"><bdi>${service.image}</bdi>, port ${service.port}</span></li>`)}
    </ul>`}
  </section>`;
  }

  // web/signin.js
  function SignIn() {
    const { refused } = session.use();
    const [key, setKey] = d2("");
    const [remember, setRemember] = d2(false);
    const action = useAction();
    const submit = async (event) => {
      event.preventDefault();
      await action.run(async () => {
        const typed = key.trim();
        if (!/^gob_[0-9A-Za-z]+$/.test(typed)) {
          throw new Failure("invalid", "", {
            fields: {
              api_key: ["This is not an API key: a key is gob_ followed by letters and digits. Copy all of it."]
            }
          });
        }
        try {
          setBudget(await call("GET", "budget/", void 0, typed));
        } catch (error) {
          if (error.kind !== "session") throw error;
          throw new Failure("invalid", "", {
            fields: {
              api_key: ["The API does not accept this key. Check that you copied all of it, or ask your administrator for another key."]
            }
          });
        }
        signIn(typed, remember);
      });
    };
    const fieldFailure = action.failure?.kind === "invalid" ? action.failure : null;
    return html`<main class="signin">
    <h1>Sign in to Goblins Secrets</h1>
    ${refused && html`<p class="problem" role="alert">${refused}</p>`}
    <form onSubmit=${submit}>
      <${Field} label="API key" name="api_key" type="password"
        hint="Paste the key that you got when your account was created. It stays in this tab."
        value=${key} onInput=${setKey} failure=${fieldFailure} focus />
      <label class="check">
        <input type="checkbox" checked=${remember} onChange=${(event) => setRemember(event.target.checked)} />
        <span>Remember the key until this tab is closed, even if the page is reloaded</span>
      </label>
      ${!fieldFailure && html`<${Problem} failure=${action.failure} />`}
      <div class="buttons">
        ${refused && html`<button type="button" onClick=${signOut}>Discard changes and sign out</button>`}
        <button type="submit" class="primary" disabled=${action.busy}>${action.busy ? "Signing in …" : "Sign in"}</button>
      </div>
    </form>
  </main>`;
  }

  // web/style.css
  var style_default = ':root {\n  color-scheme: light dark;\n  --page: #f6f7f4; --card: #fff; --ink: #1d231c; --quiet: #565e54; --line: #d5dad2; --edge: #868e83;\n  --accent: #2c6d34; --on-accent: #fff; --danger: #a3241d; --wrong-ground: #fdeceb; --shown: #f2f6ee;\n  --pending: #765300; --good: #2c6d34; --shade: #0006;\n  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;\n}\n@media (prefers-color-scheme: dark) {\n  :root {\n    --page: #151914; --card: #1e231d; --ink: #e6ebe3; --quiet: #a9b3a5; --line: #363d34; --edge: #7d8779;\n    --accent: #8fd098; --on-accent: #10240f; --danger: #ff9d94; --wrong-ground: #3a1d1b; --shown: #232c21;\n    --pending: #e6bd5a; --good: #8fd098; --shade: #000a;\n  }\n}\n*, ::before, ::after { box-sizing: border-box; }\n[hidden] { display: none !important; }\nbody { margin: 0; background: var(--page); color: var(--ink); }\nh1, h2, h3, p, ul, ol { margin: 0; padding: 0; }\nh1 { font-size: 1.6rem; line-height: 1.25; }\nh2 { font-size: 1.15rem; }\nh3 { font-size: 1rem; }\na { color: var(--accent); }\nh1:focus { outline: none; } /* it has the focus so that screen readers start there */\n:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }\n.key, .value, code { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }\n/* Text that users wrote wraps anywhere, and never changes the direction of text around it. */\n.name, .key, .value, .users, bdi { overflow-wrap: anywhere; unicode-bidi: isolate; }\n\nheader { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; align-items: center; gap: .25rem 1.25rem;\n  padding: .6rem 1.25rem; background: var(--card); border-bottom: 1px solid var(--line); }\n.brand { margin-right: auto; font-weight: 700; color: var(--ink); text-decoration: none; }\n.budget { display: flex; align-items: center; gap: .6rem; color: var(--quiet); font-variant-numeric: tabular-nums; }\n.budget.spent { color: var(--danger); font-weight: 600; }\nmeter { width: 5rem; }\nmain { max-width: 62rem; margin: 0 auto; padding: 1.25rem; display: grid; gap: 1rem; }\nsection { display: grid; gap: .75rem; }\n.bar { display: flex; flex-wrap: wrap; align-items: center; gap: .75rem 1rem; }\n.bar > h1, .bar > h2 { margin-right: auto; min-width: 0; }\n.quiet, .hint { color: var(--quiet); font-size: .9rem; }\n.empty { padding: 1.5rem; border: 1px dashed var(--edge); border-radius: .6rem; text-align: center; }\n\nbutton {\n  font: inherit; padding: .35rem .8rem; border: 1px solid var(--edge); border-radius: .45rem;\n  background: var(--card); color: var(--ink); cursor: pointer;\n}\nbutton:hover:enabled { border-color: var(--ink); }\nbutton.primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent); font-weight: 600; }\nbutton.danger { color: var(--danger); }\nbutton:disabled { opacity: .55; cursor: default; }\n.buttons { display: flex; flex-wrap: wrap; gap: .5rem; }\nform > .buttons { justify-content: flex-end; }\ninput, textarea {\n  font: inherit; width: 100%; padding: .45rem .6rem; border: 1px solid var(--edge); border-radius: .45rem;\n  background: var(--card); color: var(--ink);\n}\ntextarea {\n  font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: .9rem;\n  resize: vertical; overflow-wrap: anywhere;\n}\n[aria-invalid] { border-color: var(--danger); }\n.search { flex: 1 1 14rem; max-width: 22rem; }\nform { display: grid; gap: 1rem; }\n.field { display: grid; gap: .25rem; }\nlabel { font-weight: 600; }\n.check { display: flex; align-items: baseline; gap: .6rem; font-weight: 400; }\n.check input { width: auto; }\n.wrong { color: var(--danger); font-weight: 600; }\n.problem {\n  padding: .75rem 1rem; border-left: 4px solid var(--danger); background: var(--wrong-ground);\n  border-radius: .3rem; display: grid; gap: .5rem; justify-items: start;\n}\n.signin { max-width: 30rem; padding-top: 12vh; }\n\n.rows { list-style: none; border: 1px solid var(--line); border-radius: .6rem; background: var(--card); }\n.row { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem 1rem; padding: .75rem 1rem; }\n.row + .row { border-top: 1px solid var(--line); }\n.grow { flex: 1 1 16rem; min-width: 0; }\na.name { font-weight: 600; }\n.badges { display: flex; gap: .4rem; }\n.badge {\n  padding: .05rem .6rem; border: 1px solid var(--edge); border-radius: 1rem; font-size: .8rem;\n  white-space: nowrap;\n}\n.badge.ready { color: var(--good); border-color: currentColor; }\n.badge.pending, .badge.deploying { color: var(--pending); border-color: currentColor; }\n.badge.failed { color: var(--danger); border-color: currentColor; }\n.users { list-style: none; display: grid; gap: .25rem; }\n.masked { display: flex; align-items: center; gap: .75rem; }\n.mask { letter-spacing: .1em; color: var(--quiet); }\n.shown, .row > .spent, .row > .problem { flex: 1 1 100%; }\n.shown { display: grid; gap: .4rem; padding: .75rem; border-radius: .45rem; background: var(--shown); }\n.item .shown, .item .spent, .item .problem { order: 1; }\n.value { margin: 0; max-height: 16rem; overflow: auto; white-space: pre-wrap; direction: ltr; }\n.row > .spent { color: var(--danger); }\n\ndialog {\n  width: min(34rem, calc(100vw - 2rem)); max-height: calc(100dvh - 2rem); padding: 1.25rem;\n  border: 1px solid var(--line); border-radius: .75rem; background: var(--card); color: var(--ink);\n}\ndialog.wide { width: min(50rem, calc(100vw - 2rem)); }\ndialog::backdrop { background: #0008; }\ndialog h2 { margin-bottom: 1rem; }\n.entries {\n  list-style: none; max-height: 16rem; overflow: auto; border: 1px solid var(--line); border-radius: .45rem;\n  padding: .5rem .75rem; font-size: .9rem;\n}\n.good { color: var(--good); font-weight: 600; }\n.skip { color: var(--pending); }\n.progress { display: flex; align-items: center; gap: .75rem; }\nprogress { flex: 1; accent-color: var(--accent); }\n.notice {\n  position: fixed; inset: auto 1rem 1rem; margin: 0 auto; max-width: 34rem; padding: .6rem 1rem;\n  border-radius: .5rem; background: var(--ink); color: var(--page); text-align: center; z-index: 2;\n}\n.notice:empty { padding: 0; } /* screen readers announce only changes of an existing element */\n\n@media (max-width: 34rem) {\n  header { padding: .5rem 1rem; }\n  .budget { order: 1; flex-basis: 100%; font-size: .9rem; }\n  meter { width: 3rem; }\n  main { padding: 1rem; }\n  .search { max-width: none; flex-basis: 100%; order: 1; }\n  .masked { flex-basis: 100%; justify-content: space-between; }\n  .row .buttons { flex-basis: 100%; }\n  .row .buttons button { flex: 1; }\n  dialog { padding: 1rem; }\n}\n';

  // web/main.js
  function App() {
    const { key, refused, notice } = session.use();
    const { path } = place.use();
    const signedIn = key !== null;
    const id = /^secrets\/([^/]+)$/.exec(path)?.[1];
    return html`
    ${signedIn && html`<${Header} />`}
    ${!signedIn && html`<${SignIn} />`}
    ${(signedIn || refused) && html`<div class="view" hidden=${!signedIn}>
      ${id ? html`<${SecretView} key=${id} id=${id} />` : html`<${SecretsView} />`}
    </div>`}
    <p class="notice" role="status">${signedIn ? notice : ""}</p>
  `;
  }
  function Header() {
    return html`<header>
    <${Link} to="" class="brand">Goblins Secrets<//>
    <${Budget} />
    <button onClick=${signOut}>Sign out</button>
  </header>`;
  }
  function Budget() {
    const { budget } = session.use();
    useTick(1e3);
    useReturn(() => session.get().key && refreshBudget());
    const until = budget?.until;
    h2(() => {
      if (!until) return void 0;
      const timer = setTimeout(refreshBudget, Math.max(1e3, until - Date.now() + 100));
      return () => clearTimeout(timer);
    }, [until]);
    if (!budget) return html`<p class="budget"></p>`;
    const seconds = (budget.until - Date.now()) / 1e3;
    const wait = budget.left === 0 ? clock(seconds) : duration(seconds);
    const next = budget.until && seconds > 0 ? `; next in ${wait}` : "";
    const title = `You can reveal ${count(budget.limit, "value")} in any ${duration(budget.window)}.`;
    return html`<p class=${budget.left === 0 ? "budget spent" : "budget"} title=${title}>
    <meter min="0" max=${budget.limit} low=${budget.limit / 10} value=${budget.left} aria-hidden="true"></meter>
    <span>Reveals: ${budget.left} of ${budget.limit} left${next}</span>
  </p>`;
  }
  function shortcuts(event) {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.("input, textarea, dialog")) return;
    const search = document.querySelector("[data-search]");
    if (!search) return;
    event.preventDefault();
    search.focus();
  }
  var sheet = new CSSStyleSheet();
  sheet.replaceSync(style_default);
  document.adoptedStyleSheets = [sheet];
  addEventListener("popstate", arrive);
  document.addEventListener("keydown", shortcuts);
  var noticeTimer;
  var lastNotice = "";
  function expireNotice() {
    const { notice } = session.get();
    if (notice === lastNotice) return;
    lastNotice = notice;
    clearTimeout(noticeTimer);
    if (notice) noticeTimer = setTimeout(notify, 8e3, "");
  }
  session.watch(expireNotice);
  R(html`<${App} />`, document.getElementById("app"));
})();
